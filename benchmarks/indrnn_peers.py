"""One IndRNN training step, forward and backward: npr, a step-wise PyTorch cell and JAX's lax.scan.

    python benchmarks/indrnn_peers.py                  # every case, three rounds
    python benchmarks/indrnn_peers.py --rounds 0       # agreement only
    python benchmarks/indrnn_peers.py --tiny           # the whole path at sizes whose figures mean nothing

Every library runs in a process of its own, one at a time, pinned to the same cores: ceilings, then npr,
torch, jax for every case, and the same again for every round. Before any clock starts loss, output and the
gradient of every parameter are compared (`agreement.py`). A case's time is the median over rounds of the median
over repeats; its ratio is to the better peer of the same round. Exit code 7: a goal of cases.toml is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import machine
import numpy as np
import record
from agreement import TOLERANCE, Disagreement, agreement
from indrnn_problem import Case, load_cases
from summary import summarise, table

HERE = Path(__file__).resolve().parent
PEERS = ("torch", "jax")
LIBRARIES = ("npr", *PEERS)


class BenchmarkError(Exception):
    """The benchmark cannot give a figure; the message says why."""


def work(job: dict[str, Any]) -> Any:
    """What a worker process printed, as JSON; None if nothing."""
    done = subprocess.run(
        [sys.executable, str(HERE / "worker.py"), json.dumps(job)],
        env=machine.thread_environment(job["threads"]),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        what = " ".join(str(job[key]) for key in ("task", "library") if key in job)
        raise BenchmarkError(f"{what} failed (see above); the peers come with: pip install -e '.[bench]'")
    return json.loads(done.stdout) if done.stdout else None


def agree(case: Case, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Differences of all libraries, each computed in a process of its own."""
    job = {"task": "check", "case": asdict(case), "seed": options.seed, "threads": options.threads}
    with tempfile.TemporaryDirectory() as folder:

        def results(library: str, dtype: str) -> dict[str, np.ndarray]:
            file = Path(folder) / "results.npz"
            work({**job, "library": library, "dtype": dtype, "file": str(file)})
            with np.load(file) as arrays:
                return dict(arrays)

        return agreement(case, LIBRARIES, results)


def measure(cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """Agreement of every case, then all rounds."""
    disagreements = {}
    for case in cases:
        disagreements[case.name] = agree(case, options)
        for dtype, errors in disagreements[case.name].items():
            found = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
            progress(f"{case.name}, {dtype}: differences from torch's float64: {found}")
    rounds, common = [], {"seed": options.seed, "threads": options.threads}
    for number in range(options.rounds):
        limits = work({**common, "task": "ceilings"})
        progress(f"round {number + 1}: " + ", ".join(f"{name} {value:.0f}" for name, value in limits.items()))
        seconds: dict[str, dict[str, list[float]]] = {}
        for case in cases:
            job = {**common, "task": "time", "case": asdict(case), "repeats": options.repeats}
            seconds[case.name] = {library: work({**job, "library": library}) for library in LIBRARIES}
            medians = {name: statistics.median(values) for name, values in seconds[case.name].items()}
            progress(f"  {case.name}: " + ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in medians.items()))
        rounds.append({"ceilings": limits, "seconds": seconds})
    return {"disagreement": disagreements, "rounds": rounds}


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def document(cases: list[Case], options: argparse.Namespace, measured: dict[str, Any]) -> dict[str, Any]:
    """Everything needed to repeat and to judge the figures."""
    figures = {
        "seed": options.seed,
        "threads": options.threads,
        "dtype": "float32",
        "tolerance": TOLERANCE,
        **summarise(cases, measured, PEERS, options.threads),
        **measured,
    }
    return record.document("indrnn_peers", sys.argv[1:], figures)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="npr against PyTorch and JAX on one IndRNN training step.")
    known = load_cases(HERE / "cases.toml")
    parser.add_argument("--cases", nargs="+", default=list(known), choices=known, metavar="CASE", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=3, help="turns of every library; 0: agreement only")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of weights, inputs and targets")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of agreement, relative to the largest value")
    parser.add_argument("--name", default="indrnn_peers", help="of the result file in benchmarks/results")
    parser.add_argument("--tiny", action="store_true", help="small cases, one round, nothing written")
    options = parser.parse_args(arguments)
    if options.rounds < 0 or min(options.repeats, options.threads) < 1:
        parser.error("--rounds starts at 0, --repeats and --threads at 1")
    if options.threads > machine.cores():
        parser.error(f"--threads {options.threads}: this process may use {machine.cores()} cores")
    chosen = [known[name] for name in options.cases]
    options.rounds = min(1, options.rounds) if options.tiny else options.rounds
    options.chosen = [case.tiny() for case in chosen] if options.tiny else chosen
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        measured = measure(options.chosen, options)
    except (BenchmarkError, Disagreement) as error:
        progress(f"error: {error}")
        return 1
    if not measured["rounds"]:
        return 0
    result = document(options.chosen, options, measured)
    print(table(result))
    if not options.tiny:
        progress(f"written: benchmarks/results/{record.write(options.name, result).name}")
    return 0 if all(row["held"] for row in result["cases"]) else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
