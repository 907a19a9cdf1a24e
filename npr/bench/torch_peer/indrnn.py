"""The PyTorch peer: the step-wise cell of Sunnydreamrain/IndRNN_pytorch, written for current PyTorch.

As there, the input product is one call for the whole sequence, and a Python loop over time applies
h_t = relu(a_t + u * h_{t-1}) through autograd. Its batch norm permutes to (B, C, T) first; this one
saves those copies. Compiled is the step alone: a loop of thousands of steps would be unrolled and take hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Array, Problem, Step
from npr.bench.problems.indrnn import MASK_SEED, NORM_EPS, NORM_MOMENTUM, draw_masks
from npr.bench.torch_peer.leaf_step import Leaves, leaf_step

Running = tuple[Tensor, Tensor]
Cell = Callable[[Tensor, Tensor, Tensor], Tensor]


def leaves(params: dict[str, Array]) -> Leaves:
    """Leaf tensors that ask for gradients; weights become (out, in), as torch keeps them."""
    turned = {name: np.ascontiguousarray(value.T) for name, value in params.items()}
    return {name: torch.tensor(value, requires_grad=True) for name, value in turned.items()}


def running_statistics(sizes: Iterable[int], dtype: torch.dtype) -> list[Running]:
    """Running mean 0 and variance 1 of layers of these sizes."""
    return [(torch.zeros(size, dtype=dtype), torch.ones(size, dtype=dtype)) for size in sizes]


def cell(a: Tensor, u: Tensor, h: Tensor) -> Tensor:
    """One step."""
    return torch.relu(a + h * u)


def recurrence(a: Tensor, u: Tensor, h: Tensor, cell: Cell = cell) -> Tensor:
    """h_t = relu(a_t + u * h_{t-1}) for all t: (T, B, n), from h (B, n)."""
    states = []
    for a_t in a.unbind(0):
        h = cell(a_t, u, h)
        states.append(h)
    return torch.stack(states)


def normalised(tensors: Leaves, layer: int, h: Tensor, running: Running) -> Tensor:
    """Batch norm of h (T, B, n) over time and batch."""
    gamma, beta = tensors[f"layers.{layer}.norm.gamma"], tensors[f"layers.{layer}.norm.beta"]
    rows = functional.batch_norm(h.flatten(0, 1), *running, gamma, beta, True, NORM_MOMENTUM, NORM_EPS)
    return rows.view_as(h)


def network(tensors: Leaves, x: Tensor, running: list[Running], masks: list[Tensor], cell: Cell = cell) -> Tensor:
    """Output (B, K); batch norm over time if given running statistics, dropout if given masks."""
    signal = x
    for layer in range(sum(name.endswith(".u") for name in tensors)):
        a = functional.linear(signal, tensors[f"layers.{layer}.W_in"], tensors[f"layers.{layer}.bias"])
        signal = recurrence(a, tensors[f"layers.{layer}.u"], torch.zeros_like(a[0]), cell)
        if running:
            signal = normalised(tensors, layer, signal, running[layer])
        if masks:
            signal = signal * masks[layer]
    return functional.linear(signal[-1], tensors["readout.W"], tensors["readout.bias"])


def prepare(problem: Problem, threads: int, compiled: bool = False, graph: bool = False) -> Step:
    """The step of this library, with its arrays in place."""
    step = torch.compile(cell) if compiled else cell
    case, tensors = problem.case, leaves(problem.params)
    x = torch.tensor(problem.x)
    running = [] if case.norm == "none" else running_statistics([case.hidden_size] * case.layers, x.dtype)
    rng = np.random.default_rng(MASK_SEED)

    def forward() -> Tensor:
        masks = [torch.tensor(mask, device=x.device) for mask in draw_masks(case, rng, problem.x.dtype)]
        return network(tensors, x, running, masks, step)

    return leaf_step(problem, tensors, threads, forward, graph)
