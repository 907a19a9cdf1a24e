"""npr's `rrn`."""

from __future__ import annotations

from npr import build
from npr.bench.own.step import fill, training_step
from npr.bench.problem import Problem, Step


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    case = problem.case
    sizes = {"input_size": case.input_size, "output_size": case.input_size, "embedding_size": case.hidden_size}
    sizes |= {"hidden_size": case.hidden_size, "layers": case.layers}
    model = build("rrn", **sizes, reading="published", widths=case.widths, readout="every")
    return training_step(model, fill(model, problem.params), problem, threads)
