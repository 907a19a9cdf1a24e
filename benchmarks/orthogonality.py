"""How far orthogonal recurrent matrices are from orthogonal, at every update of a training run on copying.

python benchmarks/orthogonality.py [--steps 1000] [--name orthogonality]

The figure is max |W W^T - I|, of W_rec as the kernels get it; for nnrnn of P. Trained in float64 with the
parametrisation in float64, and in float32 with the parametrisation in float64 and in float32.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
import record

from npr.bench import machine

MODELS: dict[str, dict[str, Any]] = {
    "exprnn": {},
    "exprnn, Cayley": {"map": "cayley"},
    "exprnn, base point moves every 100 updates": {"rebase_every": 100},
    "scornn": {},
    "nnrnn": {},
}
GOALS = {"float64": 1e-12, "float32": 1e-5}


def deviation(model: Any, params: dict[str, Any], buffers: dict[str, Any], dtype: str) -> float:
    """max |W W^T - I| of the first layer."""
    from npr.params import scope

    theta, kept = (scope(named, "layers.0.recurrent.") for named in (params, buffers))
    W, cache = model.parametrization().forward(theta, kept)
    W = getattr(cache, "P", W).astype(dtype).astype(np.float64)
    return float(np.abs(W @ W.T - np.eye(len(W))).max())


def largest(name: str, options: dict[str, Any], dtype: str, steps: int) -> dict[str, Any]:
    """The largest deviation of a run, and its last loss."""
    from npr.training import resolve
    from npr.training.parts import open_parts
    from npr.training.state import fresh
    from npr.training.update import update

    flags = {"model": name.partition(",")[0], "task": "copy", "preset": "laptop", "dtype": dtype, "seed": 1}
    parts = open_parts(resolve({**flags, "steps": steps, **options}), lambda line: None)
    state, worst, done = fresh(parts), 0.0, None
    for _ in range(steps):
        done = update(parts, state)
        worst = max(worst, deviation(parts.model, state.params, state.buffers, dtype))
    return {"model": name, "dtype": dtype, "options": options, "largest": worst, "loss": done.loss if done else None}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Deviation from orthogonality over a training run.")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--name", default="orthogonality", help="of the result file in benchmarks/results")
    options = parser.parse_args(arguments)
    machine.pin(2)
    rows = []
    for name, given in MODELS.items():
        for dtype, precision in (("float64", "float64"), ("float32", "float64"), ("float32", "float32")):
            if name == "scornn" and precision == "float32":
                continue  # always in float64
            chosen = given if name == "scornn" else {**given, "precision": precision}
            rows.append(largest(name, chosen, dtype, options.steps))
            found = rows[-1]["largest"]
            verdict = "held" if found <= GOALS[dtype] else "MISSED"
            print(f"{name}, {dtype}, parametrisation {precision}: {found:.1e}, goal {GOALS[dtype]:g}: {verdict}")
    figures = {"seed": 1, "steps": options.steps, "goals": GOALS, "rows": rows}
    record.write(options.name, record.document("orthogonality", arguments, figures))
    return 0 if all(row["largest"] <= GOALS[row["dtype"]] for row in rows) else 7


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
