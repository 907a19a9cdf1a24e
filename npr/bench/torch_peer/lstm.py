"""The PyTorch peer: torch.nn.LSTM."""

from __future__ import annotations

import torch

from npr.bench.problem import Problem, Step
from npr.bench.torch_peer.step import Place, training_step

KINDS = {"W_in": "weight_ih_l0", "W_rec": "weight_hh_l0", "bias": "bias_ih_l0"}
PLACES = {f"{q}.{ours}": Place(name, number) for number, q in enumerate("ifgo") for ours, name in KINDS.items()}


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    return training_step(torch.nn.LSTM, PLACES, problem, threads)
