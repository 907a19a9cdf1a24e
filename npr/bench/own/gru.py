"""npr's `gru`."""

from __future__ import annotations

from npr.bench.own.step import layer_step
from npr.bench.problem import Problem, Step


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    return layer_step("gru", problem, threads)
