"""npr's own training update of `lstm` on `charlm`, with a stream that gives the same batch every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npr.bench.made_text import made_text
from npr.bench.own.update import fixed_step
from npr.bench.problem import Problem, Step
from npr.bench.problems.text import ALPHA, CLIP_NORM, EPS, LR, named
from npr.tasks.base import Batch


def flags(problem: Problem, threads: int, data: str) -> dict[str, Any]:
    """The configuration of a problem; `data` only says how many symbols there are."""
    case = problem.case
    return {
        "model": "lstm",
        "task": "charlm",
        "preset": "none",
        "data": data,
        "split": "none",
        "layout": "rotating",
        "hidden_size": case.hidden_size,
        "layers": case.layers,
        "embedding_size": case.embedding_size,
        "two_biases": True,
        "seq_len": case.seq_len,
        "batch_size": case.batch_size,
        "steps": 1,
        "optimizer": "rmsprop",
        "lr": LR,
        "alpha": ALPHA,
        "eps": EPS,
        "clip_norm": CLIP_NORM,
        "dtype": str(problem.params["readout.W"].dtype),
        "threads": threads,
    }


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    return text_step(problem, threads, flags)


def text_step(problem: Problem, threads: int, flags: Callable[[Problem, int, str], dict[str, Any]]) -> Step:
    """An update of a language model on a made-up text, whose path `flags` is given."""
    case = problem.case
    with made_text(case.input_size, (case.seq_len + 1) * case.batch_size) as data:
        batch = Batch(problem.x, problem.target, chunk=0)
        return fixed_step(problem, flags(problem, threads, data), batch, named)
