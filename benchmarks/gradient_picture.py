"""The picture of the README: how much of the gradient of five networks reaches back through 1,000 steps.

    python benchmarks/gradient_picture.py docs/gradients.png

Copying with 1,000 steps of silence, before training, 128 units (IndRNN: two layers); the loss is that of the ten
symbols that are to be recalled. Drawn is ||dL/dh_t|| of the first layer relative to its value where recalling begins.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from npr.bench import machine
from npr.inspect import norms, observe, verdict
from npr.inspect.plain import finite
from npr.training.config import resolve
from npr.training.inspecting import place_of_model

MODELS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "rnn": {"activation": "tanh"},
    "irnn": {},
    "indrnn": {"layers": 2, "norm": "none"},
    "exprnn": {},
}
SHARED = {"task": "copy", "delay": 1000, "hidden_size": 128, "preset": "none", "batch_size": 16, "seed": 1}


def gradient(model: str, options: dict[str, Any]) -> np.ndarray:
    """||dL/dh_t|| (T,) of the first layer."""
    place = place_of_model(resolve({"model": model, **SHARED, **options}))
    with np.errstate(all="ignore"):
        return norms(observe(place.subject))["layers.0.dh_norm"].values


def draw(curves: dict[str, np.ndarray], path: Path) -> None:
    """The figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for name, values in curves.items():
        relative = values / values[-11]
        axes.plot(np.where(relative > 0, relative, np.nan), label=name, linewidth=1.4)
    axes.set(xlabel="time step t", ylabel="||dL/dh_t||, relative", yscale="log", ylim=(1e-30, 1e4))
    axes.set_title("Copying, 1,000 steps of silence: the gradient on its way back (before training)", fontsize=10)
    axes.legend(ncols=5, fontsize=9, loc="lower center")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("--json", type=Path, help="figures of the curves")
    asked = parser.parse_args()
    curves = {name: gradient(name, options) for name, options in MODELS.items()}
    draw(curves, asked.picture)
    told = {name: verdict(values)._asdict() for name, values in curves.items()}
    for name, found in told.items():
        print(f"{name:8} {found['word']:10} {found['rate']:+.4f} nats per step")
    if asked.json:
        rows = {"command": "python benchmarks/gradient_picture.py docs/gradients.png --json FILE", **SHARED}
        found = finite({**rows, "machine": machine.describe(), "models": told})
        asked.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
