"""The PyTorch peer of ResRNN: a Python loop over time through autograd. Compiled is the step alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Problem, Step
from npr.bench.problems.resrnn import LAYER, Case
from npr.bench.torch_peer.indrnn import leaves
from npr.bench.torch_peer.leaf_step import Leaves, leaf_step

Block = Callable[[Tensor, Leaves, float], Tensor]


def block(r: Tensor, tensors: Leaves, linearity: float) -> Tensor:
    """linearity r + (1 - linearity) (max(r W1 + b1, 0) W2 + b2)."""
    z = torch.relu(functional.linear(r, tensors[f"{LAYER}W1"], tensors[f"{LAYER}b1"]))
    return linearity * r + (1 - linearity) * functional.linear(z, tensors[f"{LAYER}W2"], tensors[f"{LAYER}b2"])


def network(tensors: Leaves, case: Case, x: Tensor, block: Block) -> Tensor:
    """The right-most K columns (B, K) after the last step."""
    s = ((1 - case.linearity) * tensors[f"{LAYER}s0"]).expand(x.shape[1], -1)
    for x_t in x.unbind(0):
        s = block(torch.cat([x_t, s[:, : case.hidden_size]], 1), tensors, case.linearity)
    return s[:, -case.classes :]


def prepare(problem: Problem, threads: int, compiled: bool = False) -> Step:
    """The step of this library, with its arrays in place."""
    step = torch.compile(block) if compiled else block
    tensors, x = leaves(problem.params), torch.tensor(problem.x)
    return leaf_step(problem, tensors, threads, lambda: network(tensors, problem.case, x, step))
