"""npr's own training update of an orthogonal network on `charlm`; its stream gives the same batch every time."""

from __future__ import annotations

from typing import Any

from npr.bench.own.text import text_step
from npr.bench.problem import Problem, Step
from npr.bench.problems.update import ALPHA, REC, SETTINGS


def flags(problem: Problem, threads: int, data: str) -> dict[str, Any]:
    """The configuration of a problem; `data` only says how many symbols there are."""
    case, settings = problem.case, SETTINGS[problem.case.model]
    own: dict[str, dict[str, Any]] = {
        "rnn-orth": {"activation": "modrelu"},
        "exprnn": {"lr_orth": settings.lr_orth},
        "nnrnn": {
            "lr_orth": settings.lr_orth,
            "gamma_penalty": settings.gamma_penalty,
            "decay_by_prefix": {f"{REC}T": settings.t_decay},
        },
    }
    return {
        "model": case.model,
        "task": "charlm",
        "preset": "none",
        "data": data,
        "split": "none",
        "hidden_size": case.hidden_size,
        "embedding_size": case.embedding_size,
        "seq_len": case.seq_len,
        "batch_size": case.batch_size,
        "steps": 1,
        "optimizer": "rmsprop",
        "lr": settings.lr,
        "alpha": ALPHA,
        "dtype": str(problem.params["readout.W"].dtype),
        "threads": threads,
        **own[case.model],
    }


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    return text_step(problem, threads, flags)
