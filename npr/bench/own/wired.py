"""npr's residual and dense IndRNN."""

from __future__ import annotations

from npr.bench.own.step import fill, training_step
from npr.bench.problem import Problem, Step
from npr.bench.problems.wired import model


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place; like the peers it leaves out dL/dx."""
    network = model(problem.case)
    return training_step(network, fill(network, problem.params), problem, threads)
