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

from machine import describe

# Options that say what is learnt; everything else in the command would repeat the preset.
_NAMED = ("model", "task", "preset", "epochs", "steps", "threads", "seed")


def command(config: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The command line that repeats a run."""
    given = [name for name in _NAMED if config.get(name) not in (defaults.get(name), None)]
    return "npr train " + " ".join(f"--{name} {config[name]}" for name in given)


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


def main() -> None:
    """Collect, summarise and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--every", type=int, default=500, help="training rows are kept at multiples of this step")
    args = parser.parse_args()
    runs = [collect(folder, args.every) for folder in args.runs]
    scores = [run["result"]["test"]["accuracy"] for run in runs if run["result"].get("test")]
    summary: dict[str, Any] = {"seeds": [run["seed"] for run in runs], "test_accuracy": scores}
    if scores:
        summary |= {"mean": statistics.mean(scores), "lowest": min(scores)}
        summary["seconds"] = [run["result"]["seconds"] for run in runs if "seconds" in run["result"]]
    text = json.dumps({"machine": describe(), "summary": summary, "runs": runs}, indent=1)
    args.output.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
