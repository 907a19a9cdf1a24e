"""Memory and time of one update on sequences of 1,000 to 100,000 steps, with and without `bptt_checkpoint`.

    python benchmarks/long_sequences.py [--steps 1000 10000 100000] [--name long_sequences]

Trains for a few updates of the adding problem, batches of 50, 128 units, through the command line in a process of its
own. "peak_mb" is that process's largest resident memory, Python and libraries included; "update_seconds" is that of the
run's own training time. The goal is 100,000 steps in 2 GB. Without bptt_checkpoint, what would need more than
`--limit-gb` is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import record

MODELS: dict[str, list[str]] = {
    "indrnn": ["--layers", "2"],
    "exprnn": [],
    "lstm": [],
}
SEGMENT = 1000
UPDATES = 2
GOAL_MB = 2000.0
_LINE = "{model:8} T={steps:<7} K={bptt_checkpoint:<5} {peak_mb:8.0f} MB {update_seconds:8.2f} s, loss {loss:.6f}"


def command(model: str, steps: int, segment: int) -> list[str]:
    """`npr train` for a few updates, with as little validation as there can be."""
    return [
        *("train", "--task", "adding", "--model", model, *MODELS[model], "--preset", "none", "--hidden-size", "128"),
        *("--batch-size", "50", "--steps", str(UPDATES), "--set", f"seq_len={steps}", "--set", "validation_size=50"),
        *("--set", "test_size=50", "--bptt-checkpoint", str(segment), "--json", "-q"),
        *(["--set", "norm=none"] if model == "indrnn" else []),
    ]


def measured(model: str, steps: int, segment: int) -> dict[str, Any]:
    """Peak memory and time of one training."""
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "out", "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "npr_cli", *command(model, steps, segment)], stdout=out, cwd=folder
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"npr {' '.join(command(model, steps, segment))} failed with status {status}")
        result = json.loads((Path(folder) / "out").read_text(encoding="utf-8"))
    row = {"model": model, "steps": steps, "bptt_checkpoint": segment, "loss": result["train"]["loss"]}
    return row | {"peak_mb": used.ru_maxrss / 1000, "update_seconds": result["seconds"] / UPDATES}


def needed(model: str, steps: int) -> float:
    """Gigabytes that the states of all steps take."""
    series = {"indrnn": 2, "exprnn": 2, "lstm": 7}[model]
    return series * steps * 50 * 128 * 4 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--limit-gb", type=float, default=8.0)
    parser.add_argument("--name", default="long_sequences")
    asked = parser.parse_args()
    cases = []
    for model in MODELS:
        for steps in asked.steps:
            for segment in (0, SEGMENT):
                if segment or needed(model, steps) <= asked.limit_gb:
                    cases.append(measured(model, steps, segment))
                    print(_LINE.format(**cases[-1]), flush=True)
    figures = {"goal_mb": GOAL_MB, "batch_size": 50, "hidden_size": 128, "cases": cases}
    print(record.write(asked.name, record.document("long_sequences", sys.argv[1:], figures)))


if __name__ == "__main__":
    main()
