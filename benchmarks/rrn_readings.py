"""The readings of the Recurrent Residual Network beside their LSTM: loss, milliseconds per update, parameters.

    npr train --model lstm --task charlm --preset rrn --seed 1         # runs of one epoch; seeds 1 to 4 of each
    npr train --model rrn --task charlm --preset paper --seed 1        # also stacked, identity
    python benchmarks/rrn_readings.py runs/0001-lstm-charlm ... [--rounds 5] [--name rrn_readings]

The loss is the mean over updates 423 to 446 of every run, the rows that the manuscript prints; a reading is compared
with the LSTM of the same seeds. The clock runs here, on a text of as many symbols, one reading after the other in
every round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import record

from npr.bench import clock, machine
from npr.bench.made_text import made_text

ROWS = range(423, 447)
BASELINE = "lstm"
PUBLISHED = {"lstm": 2.4739841918, "published": 2.3889484704}
SYMBOLS = 65
PRESETS = {BASELINE: "rrn", "published": "paper", "stacked": "stacked", "identity": "identity"}


def losses(folder: Path) -> tuple[str, int, np.ndarray]:
    """Reading, seed, and the 24 losses of a run.

    Raises
    ------
    SystemExit
        If the run has no row for every one of these updates.
    """
    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = {row["step"]: row["loss"] for row in map(json.loads, lines)}
    missing = [step for step in ROWS if step not in found]
    if missing:
        raise SystemExit(f"error: {folder} has no loss of update {missing[0]}; train it with log_every = 1 to the end")
    return config.get("reading", config["model"]), config["seed"], np.array([found[step] for step in ROWS])


def timed(threads: int, rounds: int, repeats: int) -> dict[str, dict[str, Any]]:
    """Parameters and median milliseconds per update of every reading."""
    from npr.training import resolve
    from npr.training.parts import open_parts
    from npr.training.state import fresh
    from npr.training.update import update

    with made_text(SYMBOLS, 100 * SYMBOLS) as data:
        ready = {}
        for reading, preset in PRESETS.items():
            model = "lstm" if reading == BASELINE else "rrn"
            flags = {"model": model, "task": "charlm", "preset": preset, "data": data, "threads": threads}
            parts = open_parts(resolve(flags), lambda line: None)
            ready[reading] = parts, fresh(parts)
    seconds: dict[str, list[float]] = {reading: [] for reading in ready}
    for _ in range(rounds):
        for reading, (parts, state) in ready.items():
            seconds[reading].append(statistics.median(clock.repeat(lambda p=parts, s=state: update(p, s), repeats)))
    return {
        reading: {
            "parameters": sum(value.size for value in state.params.values()),
            "ms": 1e3 * statistics.median(seconds[reading]),
        }
        for reading, (_, state) in ready.items()
    }


def table(figures: dict[str, Any]) -> str:
    """One line per reading, in Markdown."""
    lines = ["| reading | seeds | loss | below the LSTM | ms | of the LSTM's | parameters |", "|" + " --- |" * 7]
    base = figures[BASELINE]
    for reading, one in figures.items():
        below = f"{100 * one['below']:.2f} %" if "below" in one else "-"
        loss = f"{one['mean']:.4f}" if "mean" in one else "-"
        cells = (reading, len(one["losses"]), loss, below, f"{one['ms']:.2f}")
        lines.append(f"| {' | '.join(map(str, cells))} | {one['ms'] / base['ms']:.2f} | {one['parameters']:,} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Collect, measure, write."""
    parser = argparse.ArgumentParser(description="Readings of the Recurrent Residual Network.")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", default="rrn_readings", help="of the result file in benchmarks/results")
    options = parser.parse_args(arguments)
    runs: dict[str, dict[int, np.ndarray]] = {}
    for folder in options.runs:
        reading, seed, rows = losses(folder)
        runs.setdefault(reading, {})[seed] = rows
    machine.pin(options.threads)
    figures = timed(options.threads, options.rounds, options.repeats)
    for reading, one in figures.items():
        own = runs.get(reading, {})
        one["losses"] = {seed: float(rows.mean()) for seed, rows in sorted(own.items())}
        one["spread"] = {seed: float(rows.std(ddof=1)) for seed, rows in sorted(own.items())}
        if own:
            one["mean"] = statistics.mean(one["losses"].values())
        if len(own) > 1:
            pairs = np.corrcoef(list(own.values()))[np.triu_indices(len(own), 1)]
            one["lowest_correlation_between_seeds"] = float(pairs.min())
        shared = own.keys() & runs.get(BASELINE, {}).keys()
        if shared:
            mine, theirs = (statistics.mean(runs[name][seed].mean() for seed in shared) for name in (reading, BASELINE))
            one["below"] = 1 - mine / theirs
        if reading in PUBLISHED:
            one["published"] = PUBLISHED[reading]
    shown = [str(Path("runs") / folder.name) for folder in options.runs]
    own = [item for item in arguments if item not in map(str, options.runs)]
    record.write(
        options.name, record.document("rrn_readings", [*shown, *own], {"updates": "423-446", "readings": figures})
    )
    print(table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
