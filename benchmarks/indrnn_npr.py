"""npr itself, through its public Python interface, as a training loop calls it."""

from __future__ import annotations

from typing import Any

import numpy as np
from indrnn_problem import MASK_SEED, NORM_EPS, NORM_MOMENTUM, Array, Problem, Step

import npr
from npr.backends import get_backend
from npr.context import Context
from npr.losses import cross_entropy


def build(problem: Problem) -> Any:
    """The model of a problem; u stays as it was drawn, since no optimiser moves it."""
    case = problem.case
    return npr.build(
        "indrnn",
        input_size=case.input_size,
        output_size=case.classes,
        seq_len=case.seq_len,
        hidden_size=case.hidden_size,
        layers=case.layers,
        norm=case.norm,
        norm_momentum=NORM_MOMENTUM,
        norm_eps=NORM_EPS,
        dropout=case.dropout,
    )


def fill(model: Any, values: dict[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """The model's own parameters holding `values`, and its buffers.

    Raises
    ------
    ValueError
        If names or shapes are not those of the model.
    """
    params, buffers = model.init(np.random.default_rng(0), next(iter(values.values())).dtype)
    wanted = {name: array.shape for name, array in params.items()}
    given = {name: array.shape for name, array in values.items()}
    if wanted != given:
        raise ValueError(f"npr's parameters and those of the problem differ: {wanted.items() ^ given.items()}")
    for name, value in values.items():
        params[name][...] = value
    return params, buffers


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place; like the peers it leaves out dL/dx."""
    model = build(problem)
    params, buffers = fill(model, problem.params)
    case, carried = problem.case, {"buffers": buffers}
    rng = np.random.default_rng(MASK_SEED)
    context = Context(get_backend("cpu", threads), dropout=case.dropout > 0, rng=rng)

    def run() -> tuple[float, Array, Any]:
        passed = model.forward(context, params, carried["buffers"], problem.x)
        loss, d_output = cross_entropy(passed.output, problem.target)
        carried["buffers"] = passed.buffers
        back = model.backward(context, params, passed.cache, d_output, input_gradient=False)
        return loss, passed.output, back

    def collect(result: Any) -> dict[str, Array]:
        loss, output, back = result
        return {"loss": np.asarray(loss), "output": output, **back.params}

    return Step(run, collect)
