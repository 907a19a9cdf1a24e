"""One forward and backward pass of npr, through its public Python interface, as a training loop calls it."""

from __future__ import annotations

from typing import Any

import numpy as np

from npr import build
from npr.arrays import host
from npr.backends import get_backend
from npr.bench.problem import Array, Arrays, Problem, Step
from npr.context import Context
from npr.losses import cross_entropy
from npr.params import pack

Filled = tuple[Arrays, Arrays]


def layer_step(name: str, problem: Problem, threads: int) -> Step:
    """The step of one recurrent layer and its readout, the model by its registry name."""
    case = problem.case
    sizes = {"input_size": case.input_size, "output_size": case.classes, "hidden_size": case.hidden_size}
    model = build(name, **sizes, bidirectional=case.bidirectional)
    return training_step(model, fill(model, problem.params), problem, threads, d_x=case.input_gradient)


def fill(model: Any, values: Arrays) -> Filled:
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


def training_step(
    model: Any, filled: Filled, problem: Problem, threads: int, mask_seed: int | None = None, d_x: bool = False
) -> Step:
    """Forward, cross-entropy and, unless the case ends there, backward; no dropout without a seed for its masks, dL/dx
    where asked for."""
    backend, forward = get_backend(problem.device, threads), problem.case.forward
    placed, buffers = ({name: backend.put(value) for name, value in arrays.items()} for arrays in filled)
    params, carried, x, target = pack(placed), {"buffers": buffers}, backend.put(problem.x), backend.put(problem.target)
    context = Context(backend, dropout=mask_seed is not None, rng=np.random.default_rng(mask_seed))

    def run() -> tuple[float, Array, Any]:
        passed = model.forward(context, params, carried["buffers"], x)
        loss, d_output = cross_entropy(passed.output, target)
        carried["buffers"] = passed.buffers
        if forward:
            return loss, passed.output, None
        return loss, passed.output, model.backward(context, params, passed.cache, d_output, input_gradient=d_x)

    def collect(result: Any) -> Arrays:
        loss, output, back = result
        grads = {} if back is None else {**back.params, **({"x": back.x} if d_x else {})}
        return {
            "loss": np.asarray(loss),
            "output": host(output),
            **{name: host(value) for name, value in grads.items()},
        }

    return Step(run, collect)
