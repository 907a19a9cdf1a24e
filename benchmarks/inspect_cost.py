"""What looking costs: `npr inspect` on a run of 6x128 units and 784 steps, and `inspect_every` within a training.

    python benchmarks/inspect_cost.py [--repeats 5] [--name inspect_cost]

"inspect" is the wall time of the whole command with kernels in the disk cache (asked for: at most 5 s). "share" is the
time of one stored inspection over that of the updates between two, for some intervals (at most 2 %). Needs real MNIST.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import record

GOALS = {"inspect": 5.0, "share_every_500": 0.02}
INTERVALS = (100, 200, 500)
MODELS: dict[str, dict[str, Any]] = {
    "indrnn 6x128, pmnist": {"model": "indrnn", "task": "pmnist", "layers": 6, "hidden_size": 128, "data": "mnist"},
    "exprnn 128, copy": {"model": "exprnn", "task": "copy"},
    "lstm 128, copy": {"model": "lstm", "task": "copy", "hidden_size": 128},
}


def command_seconds(repeats: int) -> list[float]:
    """Wall times of `npr inspect` on a fresh run, the first call left out."""
    options = MODELS["indrnn 6x128, pmnist"]
    flags = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", str(value))]
    npr = [sys.executable, "-m", "npr_cli"]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*npr, "train", "-q", *flags, "--steps", "2"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        for _ in range(repeats + 1):
            began = time.time()
            subprocess.run([*npr, "inspect", "1"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
            found.append(time.time() - began)
    return found[1:]


def shares(options: dict[str, Any], repeats: int) -> dict[str, float]:
    """Milliseconds of an update and of an inspection, and the share that the second adds at each interval."""
    from npr.training import RunFolder, Silent, resolve
    from npr.training.inspector import Inspector
    from npr.training.parts import open_parts
    from npr.training.state import fresh
    from npr.training.update import update

    config = resolve({**options, "inspect_every": 1})
    parts = open_parts(config, lambda text: None)
    state = fresh(parts)
    updates, looks = [], []
    with tempfile.TemporaryDirectory() as folder, RunFolder.create(Path(folder) / "run", "") as run:
        inspector = Inspector(run, parts, Silent())
        for _ in range(repeats + 2):
            for _ in range(3):
                began = time.perf_counter()
                update(parts, state)
                updates.append(time.perf_counter() - began)
            began = time.perf_counter()
            inspector.look(state)
            looks.append(time.perf_counter() - began)
    each, look = statistics.median(updates[6:]), statistics.median(looks[2:])
    return {"update_ms": 1e3 * each, "inspection_ms": 1e3 * look} | {
        f"share_every_{every}": look / (every * each) for every in INTERVALS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--name", default="inspect_cost")
    asked = parser.parse_args()
    times = command_seconds(asked.repeats)
    found = {name: shares(options, asked.repeats) for name, options in MODELS.items()}
    figures = {"goals": GOALS, "inspect": statistics.median(times), "inspect_times": times, "training": found}
    print(record.write(asked.name, record.document("inspect_cost", sys.argv[1:], figures)))
    print(f"npr inspect: {figures['inspect']:.2f} s (asked: {GOALS['inspect']} s)")
    for name, row in found.items():
        print(name, {key: round(value, 4) for key, value in row.items()})


if __name__ == "__main__":
    main()
