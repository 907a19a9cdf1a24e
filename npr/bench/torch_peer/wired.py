"""The PyTorch peer of the wired IndRNNs: the step-wise cell of `indrnn.py` in each layer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Problem, Step
from npr.bench.problems import wired
from npr.bench.torch_peer.indrnn import Cell, Leaves, Running, cell, leaves, normalised, recurrence, running_statistics
from npr.bench.torch_peer.leaf_step import leaf_step


def network(tensors: Leaves, case: wired.Case, x: Tensor, running: list[Running], cell: Cell) -> Tensor:
    """Output (B, K); batch norm over time if given running statistics."""

    def linear(name: str, x: Tensor) -> Tensor:
        weight = f"{name}W_in" if f"{name}W_in" in tensors else f"{name}W"
        return functional.linear(x, tensors[weight], tensors[f"{name}bias"])

    def unit(i: int, a: Tensor) -> Tensor:
        h = recurrence(a, tensors[f"layers.{i}.u"], torch.zeros_like(a[0]), cell)
        return normalised(tensors, i, h, running[i]) if running else h

    def join(x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], -1)

    return linear("readout.", wired.network(case, x, unit, linear, join)[-1])


def prepare(problem: Problem, threads: int, compiled: bool = False) -> Step:
    """The step of this library, with its arrays in place."""
    step = torch.compile(cell) if compiled else cell
    case, tensors = problem.case, leaves(problem.params)
    x = torch.tensor(problem.x)
    sizes = [len(tensors[f"layers.{i}.u"]) for i in range(sum(name.endswith(".u") for name in tensors))]
    running = [] if case.norm == "none" else running_statistics(sizes, x.dtype)
    return leaf_step(problem, tensors, threads, lambda: network(tensors, case, x, running, step))
