"""npr's `rnn`."""

from __future__ import annotations

from npr_step import layer_step
from problem import Problem, Step


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    return layer_step("rnn", problem, threads)
