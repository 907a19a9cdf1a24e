"""How npr's time grows with threads, steps, batch and units; npr alone, forward and backward.

    python benchmarks/scaling.py [-o benchmarks/results/scaling.json] [--plot scaling.png] [--repeats 7] [--tiny]

The efficiency of n threads is t_1 / (n t_n): 1 if they take an n-th of the time. Growth starts from 196 steps, 32
sequences and 128 units and changes one of the three. Every figure is the median of a worker process of `npr bench`;
1 and n threads of a case come directly after one another. About four minutes on two cores. The pictures are
scaling-threads.png and scaling-growth.png for `--plot scaling.png`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import record
import scaling_picture

from npr.bench import machine, processes
from npr.bench.measure import Settings
from npr.bench.problem import Case
from npr.bench.problems import dense, indrnn, lstm

Sizes = dict[str, int]
Measure = Callable[[str, Sizes, int], float]

BASE: Sizes = {"seq_len": 196, "batch_size": 32, "hidden_size": 128}
AXES = {
    "seq_len": (196, 392, 784, 1568, 3136),
    "batch_size": (8, 16, 32, 64, 128, 256),
    "hidden_size": (64, 128, 256, 512, 1024),
}
MODELS: dict[str, Callable[..., Case]] = {
    "dense": dense.Case,
    "IndRNN, 2 layers": lambda **own: indrnn.Case(layers=2, **own),
    "IndRNN, 2 layers, batch norm": lambda **own: indrnn.Case(layers=2, norm="time", **own),
    "LSTM": lstm.Case,
}
GROWING = ("dense", "IndRNN, 2 layers", "LSTM")


def clock(repeats: int, tiny: bool) -> Measure:
    """Median milliseconds of a training step of (model, sizes, threads), in a process of its own."""

    def measure(model: str, sizes: Sizes, threads: int) -> float:
        case = MODELS[model](name=model, **sizes)
        settings = Settings(repeats=repeats, threads=threads)
        done = processes.work(settings.job(case.tiny() if tiny else case, "time", "npr"))
        ms = 1e3 * statistics.median(done["seconds"])
        shown = " ".join(f"{key}={value}" for key, value in sizes.items())
        print(f"{model}, {shown}, threads {threads}: {ms:.1f} ms", file=sys.stderr, flush=True)
        return ms

    return measure


def efficiency(measure: Measure, threads: int) -> list[dict[str, Any]]:
    """Rows for every model, two batches and two numbers of units."""
    rows = []
    for model in MODELS:
        for sizes in ({**BASE, "batch_size": b, "hidden_size": h} for b in (32, 128) for h in (128, 512)):
            alone, together = (measure(model, sizes, count) for count in (1, threads))
            found = {"ms_1": alone, f"ms_{threads}": together, "efficiency": alone / (threads * together)}
            rows.append({"model": model, **sizes, **found})
    return rows


def growth(measure: Measure, threads: int) -> list[dict[str, Any]]:
    """Rows for every growing model along every axis; the point that all axes share is measured once."""
    rows = []
    for model in GROWING:
        base = measure(model, BASE, threads)
        for axis, values in AXES.items():
            for value in values:
                ms = base if value == BASE[axis] else measure(model, {**BASE, axis: value}, threads)
                rows.append({"model": model, "axis": axis, **BASE, axis: value, "ms": ms})
    return rows


def main(arguments: list[str]) -> int:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, default=record.RESULTS / "scaling.json")
    parser.add_argument("--plot", type=Path, help="name of the pictures; -threads and -growth are added to it")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiny", action="store_true", help="the whole path at sizes whose figures mean nothing")
    options = parser.parse_args(arguments)
    if not 2 <= options.threads <= machine.cores():
        parser.error(f"--threads {options.threads}: from 2 to the {machine.cores()} cores this process may use")
    measure = clock(options.repeats, options.tiny)
    found = {
        "threads": options.threads,
        "tiny": options.tiny,
        "efficiency": efficiency(measure, options.threads),
        "growth": growth(measure, options.threads),
    }
    result = record.document("scaling", arguments, found)
    print(record.write_to(options.output, result))
    if options.plot:
        print(*scaling_picture.draw(result, options.plot), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
