"""Seconds until the command line answers, and until the first update of a training.

    python benchmarks/startup.py [--repeats 7] [--name startup]

"help" is `npr --help`. "first update" runs from the start of the process, through imports, the verification of
the data and the initial parameters, to the end of update 1 of `npr train --model indrnn --task pmnist`; "warm" with
the kernels in the disk cache, "cold" once with an empty one. Needs real MNIST.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import record

from npr.bench import machine

GOALS = {"help": 0.150, "first_update_warm": 3.0}
FIRST_UPDATE = """
import os, sys, time
from npr.training import Silent, fit, resolve

class First(Silent):
    def on_step(self, step):
        print(time.time())
        sys.stdout.flush()
        os._exit(0)

fit(resolve({"model": "indrnn", "task": "pmnist", "data": "mnist"}), First())
"""


def help_seconds() -> float:
    """Wall time of `npr --help`."""
    began = time.time()
    subprocess.run([sys.executable, "-m", "npr_cli", "--help"], check=True, capture_output=True)
    return time.time() - began


def first_update_seconds(cache: Path | None = None) -> float:
    """Wall time from the start of a process to the end of its first update."""
    environment = {**os.environ, **({"NPR_CACHE_DIR": str(cache)} if cache else {})}
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        program = [sys.executable, "-c", FIRST_UPDATE]
        done = subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    return float(done.stdout) - began


def measure(repeats: int) -> dict[str, Any]:
    """Medians of all three figures, and the single values."""
    with tempfile.TemporaryDirectory() as folder:
        cold = first_update_seconds(Path(folder))
    found = {
        "help": [help_seconds() for _ in range(repeats + 1)][1:],
        "first_update_warm": [first_update_seconds() for _ in range(repeats + 1)][1:],
    }
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    return {**medians, "first_update_cold": cold, "goals": GOALS, "seconds": found}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Seconds until the first answer and the first update.")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--name", default="startup", help="of the result file in benchmarks/results")
    options = parser.parse_args(arguments)
    machine.pin(2)
    figures = measure(options.repeats)
    for name, goal in GOALS.items():
        print(f"{name}: {figures[name]:.3f} s, goal {goal:g} s: {'held' if figures[name] <= goal else 'MISSED'}")
    print(f"first_update_cold: {figures['first_update_cold']:.1f} s")
    record.write(options.name, record.document("startup", arguments, figures))
    return 0 if all(figures[name] <= goal for name, goal in GOALS.items()) else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
