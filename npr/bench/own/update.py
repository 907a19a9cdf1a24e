"""npr's own training update, `npr.training.update.update`, as `npr train` calls it.

Parts and state come from a configuration; only the stream is replaced by one that gives the same batch every time,
and loss and optimiser keep a reference to what passes through them. Beside the peer's work an update counts hits,
takes the norm of the gradients and looks for NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from npr.arrays import host
from npr.bench.own.step import fill
from npr.bench.problem import Array, Arrays, Problem, Step
from npr.bench.problems.update import ALPHA, COPIED, REC, SETTINGS, named
from npr.tasks.base import Batch
from npr.training import resolve
from npr.training.parts import Parts, Weights, on_device, open_parts
from npr.training.state import fresh
from npr.training.update import update


def flags(problem: Problem, threads: int) -> dict[str, Any]:
    """The configuration of a problem."""
    case, settings, dtype = problem.case, SETTINGS[problem.case.model], str(problem.x.dtype)
    own = {
        "gamma_penalty": settings.gamma_penalty,
        "decay_by_prefix": {f"{REC}T": settings.t_decay},
    }
    return {
        "model": case.model,
        "task": "copy",
        "preset": "none",
        "hidden_size": case.hidden_size,
        "precision": "float64" if dtype == "float64" else case.precision,
        "delay": case.seq_len - 2 * COPIED,
        "copy_length": COPIED,
        "batch_size": case.batch_size,
        "steps": 1,
        "optimizer": "rmsprop",
        "lr": settings.lr,
        "lr_orth": settings.lr_orth,
        "alpha": ALPHA,
        "dtype": dtype,
        "threads": threads,
        **(own if case.model == "nnrnn" else {}),
    }


def watched(parts: Parts, seen: dict[str, Any]) -> Parts:
    """The same parts; loss and optimiser put the output and the gradients they are given into `seen`."""

    def loss(output: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
        seen["output"] = output
        return parts.loss(output, target, weight)

    def clip(grads: Arrays) -> float:
        seen["grads"] = grads
        return parts.optimizer.clip(grads)

    optimizer: Any = SimpleNamespace(lr=parts.optimizer.lr, clip=clip, update=parts.optimizer.update)
    return parts._replace(loss=loss, optimizer=optimizer)


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    batch = Batch(problem.x, problem.target, scored=slice(-COPIED, None))
    return fixed_step(problem, flags(problem, threads), batch, named)


def fixed_step(problem: Problem, flags: dict[str, Any], batch: Batch, named: Callable[..., Arrays]) -> Step:
    """An update of the configuration `flags` on the same batch every time, from the problem's parameters on;
    `named` gives its results the names that are compared."""
    parts = open_parts(resolve({**flags, "device": problem.device}), lambda line: None)
    state = fresh(parts)
    state.params, state.buffers = Weights(*fill(parts.model, problem.params)).moved(parts.backend.put)
    placed = on_device(parts.backend, batch)
    stream: Any = SimpleNamespace(next=lambda: placed)
    state.stream = stream
    seen: dict[str, Any] = {}
    own = watched(parts, seen)

    def run() -> float:
        return update(own, state).loss

    def collect(loss: Any) -> Arrays:
        grads, params = ({name: host(value) for name, value in one.items()} for one in (seen["grads"], state.params))
        return named(problem, np.asarray(loss), host(seen["output"]), grads, params)

    return Step(run, collect)
