"""npr's `eurnn`."""

from __future__ import annotations

from npr import build
from npr.bench.own.step import fill, training_step
from npr.bench.problem import Problem, Step


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place; like the peers it leaves out dL/dx."""
    case = problem.case
    sizes = {"input_size": case.input_size, "output_size": case.classes, "hidden_size": case.hidden_size}
    model = build("eurnn", **sizes, capacity=case.capacity)
    return training_step(model, fill(model, problem.params), problem, threads)
