"""npr's `rnn`."""

from __future__ import annotations

from npr_step import fill, training_step
from problem import Problem, Step

import npr


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    case = problem.case
    sizes = {"input_size": case.input_size, "output_size": case.classes, "hidden_size": case.hidden_size}
    model = npr.build("rnn", **sizes)
    return training_step(model, fill(model, problem.params), problem, threads, d_x=case.input_gradient)
