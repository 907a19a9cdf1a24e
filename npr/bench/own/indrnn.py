"""npr's IndRNN."""

from __future__ import annotations

from typing import Any

import npr
from npr.bench.own.step import fill, training_step
from npr.bench.problem import Problem, Step
from npr.bench.problems.indrnn import MASK_SEED, NORM_EPS, NORM_MOMENTUM


def build(problem: Problem) -> Any:
    """The model of a problem; u stays as it was drawn, since no optimiser moves it."""
    case = problem.case
    return npr.build(
        "indrnn",
        input_size=case.input_size,
        output_size=case.classes,
        seq_len=case.seq_len,
        hidden_size=case.hidden_size,
        layers=case.layers,
        norm=case.norm,
        norm_momentum=NORM_MOMENTUM,
        norm_eps=NORM_EPS,
        dropout=case.dropout,
    )


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place; like the peers it leaves out dL/dx."""
    model = build(problem)
    seed = MASK_SEED if problem.case.dropout else None
    return training_step(model, fill(model, problem.params), problem, threads, seed)
