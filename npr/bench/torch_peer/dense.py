"""The PyTorch peer: torch.nn.RNN."""

from __future__ import annotations

import torch

from npr.bench.problem import Problem, Step
from npr.bench.torch_peer.step import Place, training_step

PLACES = {"W_in": Place("weight_ih_l0"), "bias": Place("bias_ih_l0"), "recurrent.W": Place("weight_hh_l0")}


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    return training_step(torch.nn.RNN, PLACES, problem, threads)
