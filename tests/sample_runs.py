"""Run folders made without training: configuration, rows, result and inspections of any size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from npr.inspect.series import Series
from npr.training import resolve
from npr.training.inspections import write_inspection
from npr.training.result import Result, write_result
from npr.training.storage import Disk

COPY = {"model": "rnn-orth", "task": "copy", "preset": "none", "steps": 100, "hidden_size": 8}
ABOUT = {"python": "3.11.9", "npr": "0.1.0", "numpy": "2.1.0", "machine": "Linux x86_64", "git": "0123abcd"}


def row(step: int, **more: Any) -> dict[str, Any]:
    """One row of metrics; every tenth step has a validation."""
    loss = 2.0 / (1 + step / 20)
    found = {"step": step, "epoch": step / 50, "loss": loss, "accuracy": 1 - loss / 4, "grad_norm": 1.0, "lr": 0.01}
    if step % 10 == 0:
        found |= {"validation_loss": loss + 0.1, "validation_accuracy": 0.9 - loss / 4}
    return {**found, "seconds": step / 10, **more}


def rows(count: int, every: int = 1) -> list[dict[str, Any]]:
    return [row(step) for step in range(every, every * count + 1, every)]


def write_run(path: Path, found: Sequence[dict[str, Any]] = (), done: bool = True, **flags: Any) -> Path:
    """A run folder; `done` with a result whose losses follow from the seed."""
    config = resolve({**COPY, **flags}).flat()
    path.mkdir(parents=True)
    about = {"provenance": ABOUT, "dataset": {"name": config["task"]}}
    (path / "config.toml").write_text(tomli_w.dumps({**config, **about}))
    (path / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in found))
    if done:
        write_result(Disk(), path / "result.json", result(path, config, len(found) and int(found[-1]["step"])))
    return path


def result(path: Path, config: dict[str, Any], steps: int) -> Result:
    """Losses that are the seed in tenths."""
    loss = config["seed"] / 10
    figures = {"loss": loss, "accuracy": 1 - loss}
    names = config["model"], config["task"]
    return Result(str(path), *names, steps, steps, 12.5, "", "steps", figures, figures, figures)


def inspection(times: int = 6, layers: int = 1, units: int = 4, seed: int = 0) -> dict[str, Series]:
    """Series of every kind: the gradient norm at time t of layer l is 10**(t - times - l)."""
    rng = np.random.default_rng(seed)
    found = {}
    for layer in range(layers):
        angle = rng.uniform(-np.pi, np.pi, units)
        spectrum = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        found |= {
            f"layers.{layer}.dh_norm": Series(10.0 ** (np.arange(times) - times - layer), ("time",)),
            f"layers.{layer}.eigenvalues": Series(spectrum, ("value", "part")),
            f"layers.{layer}.u": Series(rng.uniform(-1, 1, units), ("unit",)),
            f"layers.{layer}.gamma": Series(rng.uniform(0.9, 1.1, units), ("value",)),
        }
    return found


def inspect_run(path: Path, steps: Sequence[int], **sizes: int) -> Path:
    """Store inspections at these steps, each with norms ten times those of the one before."""
    for place, step in enumerate(steps):
        found = inspection(**sizes)
        scaled = {
            n: s._replace(values=s.values * 10.0 ** (place % 9)) if n.endswith("dh_norm") else s
            for n, s in found.items()
        }
        write_inspection(Disk(), path, step, scaled)
    return path
