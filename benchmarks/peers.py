"""npr against its peers on one kind of training step: what all such benchmarks do around their libraries.

Every library runs in a process of its own, one at a time, pinned to the same cores: ceilings, then npr and its
peers for every case, and the same again for every round. Before any clock starts loss, output and the gradient of
every parameter are compared (`agreement.py`). A case's time is the median over rounds of the median over repeats; its
ratio is to the better peer of the same round, or to the better of the rivals that a benchmark names. Exit code 7: a
goal of the file of cases is missed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import machine
import numpy as np
import record
from agreement import REFERENCE, Disagreement, agreement
from problem import Case, load_cases
from summary import summarise, table

HERE = Path(__file__).resolve().parent


class BenchmarkError(Exception):
    """The benchmark cannot give a figure; the message says why."""


class Benchmark(NamedTuple):
    """One program: modules `<family>_problem` and `<family>_<library>`, its cases, and a line for its --help.

    rivals : the peers that the ratio is to; all, if none is named
    """

    family: str
    description: str
    case: type[Case]
    cases: str = "cases.toml"
    peers: tuple[str, ...] = ("torch", "jax")
    rivals: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the program, and of its result file if no other is given."""
        return f"{self.family}_peers"

    @property
    def libraries(self) -> tuple[str, ...]:
        """npr and its peers."""
        return ("npr", *self.peers)


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


def agree(benchmark: Benchmark, case: Case, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Differences of all libraries, each computed in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:

        def results(library: str, dtype: str) -> dict[str, np.ndarray]:
            file = Path(folder) / "results.npz"
            work({**job(benchmark, case, options, "check", library), "dtype": dtype, "file": str(file)})
            with np.load(file) as arrays:
                return dict(arrays)

        return agreement(case, benchmark.libraries, results, tolerances(benchmark, options))


def job(benchmark: Benchmark, case: Case, options: argparse.Namespace, task: str, library: str) -> dict[str, Any]:
    """What a worker is told about one library and one case."""
    common = {"seed": options.seed, "threads": options.threads, "repeats": options.repeats}
    return {**common, "task": task, "family": benchmark.family, "library": library, "case": asdict(case)}


def tolerances(benchmark: Benchmark, options: argparse.Namespace) -> Mapping[str, float]:
    """Those of the cases, or the one given for float32."""
    own = benchmark.case.tolerances
    return own if options.tolerance is None else {"float64": own["float64"], "float32": options.tolerance}


def measure(benchmark: Benchmark, cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """Agreement of every case, then all rounds."""
    disagreements = {}
    for case in cases:
        disagreements[case.name] = agree(benchmark, case, options)
        for dtype, errors in disagreements[case.name].items():
            found = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
            progress(f"{case.name}, {dtype}: differences from {REFERENCE}'s float64: {found}")
    rounds = []
    for number in range(options.rounds):
        limits = work({"task": "ceilings", "threads": options.threads})
        progress(f"round {number + 1}: " + ", ".join(f"{name} {value:.0f}" for name, value in limits.items()))
        seconds: dict[str, dict[str, list[float]]] = {}
        for case in cases:
            turns = {library: job(benchmark, case, options, "time", library) for library in benchmark.libraries}
            seconds[case.name] = {library: work(turn) for library, turn in turns.items()}
            medians = {name: statistics.median(values) for name, values in seconds[case.name].items()}
            progress(f"  {case.name}: " + ", ".join(f"{name} {1e3 * s:.1f} ms" for name, s in medians.items()))
        rounds.append({"ceilings": limits, "seconds": seconds})
    return {"disagreement": disagreements, "rounds": rounds}


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parse(benchmark: Benchmark, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=benchmark.description)
    known = load_cases(HERE / benchmark.cases, benchmark.case)
    parser.add_argument("--cases", nargs="+", default=list(known), choices=known, metavar="CASE", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=3, help="turns of every library; 0: agreement only")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of weights, inputs and targets")
    parser.add_argument("--tolerance", type=float, help="of agreement in float32, in place of those of the cases")
    parser.add_argument("--name", default=benchmark.name, help="of the result file in benchmarks/results")
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


def main(benchmark: Benchmark, arguments: list[str]) -> int:
    options = parse(benchmark, arguments)
    try:
        measured = measure(benchmark, options.chosen, options)
    except (BenchmarkError, Disagreement) as error:
        progress(f"error: {error}")
        return 1
    if not measured["rounds"]:
        return 0
    figures = {
        "seed": options.seed,
        "threads": options.threads,
        "dtype": "float32",
        "tolerance": tolerances(benchmark, options),
        **summarise(options.chosen, measured, benchmark.rivals or benchmark.peers, options.threads),
        **measured,
    }
    result = record.document(benchmark.name, arguments, figures)
    print(table(result))
    if not options.tiny:
        progress(f"written: benchmarks/results/{record.write(options.name, result).name}")
    return 0 if all(row["held"] for row in result["cases"]) else 7
