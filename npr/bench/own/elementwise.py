"""npr's IndRNN cell without a product, on arrays that lie as they do between two layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from npr.backends import get_backend
from npr.bench.problem import Arrays, Problem, Step
from npr.bench.problems.elementwise import named
from npr.cells.indrnn import Bound, Drive, IndRNN
from npr.context import Context, GradSignal, Pass, Signal
from npr.slices import cut


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    case, dtype = problem.case, problem.x.dtype
    n, backend = case.hidden_size, get_backend("cpu", threads)
    run = Pass(Context(backend), cut(case.seq_len, case.batch_size), backend.pool.lease(), dtype, {})
    cell = IndRNN(0, n, "relu", Bound(0.0, np.inf, False))
    z, g, h, dz = run.split(problem.x), run.split(problem.target), run.buffer(n), run.buffer(n)
    rows = (run.slicing.slices, run.slicing.rows, n)
    nothing = np.empty(0, dtype)
    drive, start = Drive(GradSignal(g), np.empty((0, 0, 0), dtype), nothing, nothing), np.zeros(rows, dtype)

    def step() -> Arrays:
        cache, _ = cell.forward(run, problem.params, Signal(z, n), start, (h, 0), False)
        if case.forward:
            return {}
        grads, _ = cell.backward(run, problem.params, cache, drive, np.zeros(rows, dtype), dz, False)
        return grads

    def collect(grads: Any) -> Arrays:
        return named(problem, run.join(h), {} if case.forward else {**grads, "x": run.join(dz)})

    return Step(step, collect)
