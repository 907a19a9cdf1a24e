"""npr's IndRNN cell without a product, on arrays that lie as they do between two layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from npr.arrays import host
from npr.backends import get_backend
from npr.bench.problem import Arrays, Problem, Step
from npr.bench.problems.elementwise import named
from npr.cells.indrnn import Bound, Drive, IndRNN
from npr.context import Context, GradSignal, Pass, Signal


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    case, dtype = problem.case, problem.x.dtype
    n, backend = case.hidden_size, get_backend(problem.device, threads)
    xp, params = backend.xp, {name: backend.put(value) for name, value in problem.params.items()}
    run = Pass(Context(backend), backend.cut(case.seq_len, case.batch_size), backend.pool.lease(), dtype, {})
    cell = IndRNN(0, n, "relu", Bound(0.0, np.inf, False))
    z, g = (run.split(backend.put(value)) for value in (problem.x, problem.target))
    h, dz = run.buffer(n), run.buffer(n)
    rows = (run.slicing.slices, run.slicing.rows, n)
    nothing = xp.empty(0, dtype)
    drive, start = Drive(GradSignal(g), xp.empty((0, 0, 0), dtype), nothing, nothing), xp.zeros(rows, dtype)

    def step() -> Arrays:
        cache, _ = cell.forward(run, params, Signal(z, n), start, (h, 0), False)
        if case.forward:
            return {}
        grads, _ = cell.backward(run, params, cache, drive, xp.zeros(rows, dtype), dz, False)
        return grads

    def collect(grads: Any) -> Arrays:
        found = {} if case.forward else {**grads, "x": run.join(dz)}
        return named(problem, host(run.join(h)), {name: host(value) for name, value in found.items()})

    return Step(step, collect)
