"""Collects finished training runs into one JSON file: command, seed, versions, machine, curve, final figures.

python benchmarks/training_runs.py runs/0001-indrnn-pmnist runs/0002-indrnn-pmnist -o results/pmnist_laptop.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import tomllib
from pathlib import Path
from typing import Any

from npr.bench.machine import describe

# Options with a flag of their own; the command gives others that differ from the preset through --set.
_FLAGS = ("model", "task", "preset", "epochs", "steps", "activation", "hidden_size", "seed")
_QUIET = ("run_dir", "data_dir", "threads", "keep")


def command(config: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The command line that repeats a run."""
    given = {name: value for name, value in config.items() if value != defaults.get(name) and name not in _QUIET}
    flags = [f"--{name.replace('_', '-')} {given[name]}" for name in _FLAGS if name in given]
    return " ".join(["npr train", *flags, *(f"--set {key}={given[key]}" for key in given if key not in _FLAGS)])


def rows(file: Path, every: int) -> list[dict[str, Any]]:
    """Rows with a validation, and of the others those at multiples of `every`."""
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row for row in found if "validation_accuracy" in row or row["step"] % every == 0]


def collect(folder: Path, every: int) -> dict[str, Any]:
    """One run as data; its folder's name stays, its place does not."""
    from npr.training import resolve

    config = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
    provenance, dataset = config.pop("provenance"), config.pop("dataset")
    flags = {name: config[name] for name in ("model", "task", "preset")}
    finished = folder / "result.json"
    result = json.loads(finished.read_text(encoding="utf-8")) if finished.exists() else {}
    result["run"] = folder.name
    for key in ("run_dir", "data_dir"):
        config[key] = ""
    return {
        "command": command(config, {**resolve(flags).flat(), "model": "", "task": "", "preset": "", "seed": None}),
        "seed": config["seed"],
        "config": config,
        "provenance": provenance,
        "dataset": dataset,
        "result": result,
        "rows": rows(folder / "metrics.jsonl", every),
    }


def medians(runs: list[dict[str, Any]], steps: list[int]) -> dict[str, dict[str, Any]]:
    """For each command without its seed, the median loss of the rows that end at the given steps, over the runs that
    got there, and how many these were."""
    curves: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(_seedless(run) for run in runs):
        found = [{row["step"]: row["loss"] for row in run["rows"]} for run in runs if _seedless(run) == name]
        there = {step: [losses[step] for losses in found if step in losses] for step in steps}
        loss = {str(step): statistics.median(losses) for step, losses in there.items() if losses}
        curves[name] = {"runs": {str(step): len(losses) for step, losses in there.items()}, "loss": loss}
    return curves


def _seedless(run: dict[str, Any]) -> str:
    return str(run["command"].replace(f" --seed {run['seed']}", ""))


def main() -> None:
    """Collect, summarise and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--every", type=int, default=500, help="training rows are kept at multiples of this step")
    parser.add_argument("--at", type=lambda text: [int(step) for step in text.split(",")], default=[])
    args = parser.parse_args()
    runs = [collect(folder, args.every) for folder in args.runs]
    scores = [run["result"]["test"]["accuracy"] for run in runs if run["result"].get("test", {}).get("accuracy")]
    summary: dict[str, Any] = {"seeds": [run["seed"] for run in runs], "test_accuracy": scores}
    if scores:
        summary |= {"mean": statistics.mean(scores), "lowest": min(scores)}
        summary["seconds"] = [run["result"]["seconds"] for run in runs if "seconds" in run["result"]]
    if args.at:
        summary["median_loss"] = medians(runs, args.at)
    text = json.dumps({"machine": describe(), "summary": summary, "runs": runs}, indent=1)
    args.output.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
