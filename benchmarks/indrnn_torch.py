"""The PyTorch peer: the step-wise cell of Sunnydreamrain/IndRNN_pytorch, written for current PyTorch.

As there, the input product is one call for the whole sequence, and a Python loop over time applies
h_t = relu(a_t + u * h_{t-1}) through autograd. Its batch norm permutes to (B, C, T) first; this one
saves those copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from indrnn_problem import MASK_SEED, NORM_EPS, NORM_MOMENTUM, draw_masks
from problem import Array, Problem, Step
from torch import Tensor
from torch.nn import functional

Leaves = dict[str, Tensor]
Running = list[tuple[Tensor, Tensor]]


def leaves(params: dict[str, Array]) -> Leaves:
    """Leaf tensors that ask for gradients; weights become (out, in), as torch keeps them."""
    turned = {name: np.ascontiguousarray(value.T) for name, value in params.items()}
    return {name: torch.tensor(value, requires_grad=True) for name, value in turned.items()}


def gradients(tensors: Leaves) -> dict[str, Array]:
    """Gradients of the leaves, weights (in, out) again."""
    missing = [name for name, tensor in tensors.items() if tensor.grad is None]
    if missing:
        raise ValueError(f"no gradient reached {', '.join(missing)}")
    return {name: tensor.grad.numpy().T.copy() for name, tensor in tensors.items() if tensor.grad is not None}


def running_statistics(layers: int, size: int, dtype: torch.dtype) -> Running:
    """Running mean 0 and variance 1 of every layer."""
    return [(torch.zeros(size, dtype=dtype), torch.ones(size, dtype=dtype)) for _ in range(layers)]


def recurrence(a: Tensor, u: Tensor, h: Tensor) -> Tensor:
    """h_t = relu(a_t + u * h_{t-1}) for all t: (T, B, n), from h (B, n)."""
    states = []
    for a_t in a.unbind(0):
        h = torch.relu(a_t + h * u)
        states.append(h)
    return torch.stack(states)


def network(
    tensors: Leaves,
    x: Tensor,
    running: Running | None = None,
    masks: list[Tensor] | None = None,
    initial: list[Tensor] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Output (B, K) and the last state of every layer; batch norm over time if given running statistics."""
    layers = sum(name.endswith(".u") for name in tensors)
    signal, states = x, []
    for layer in range(layers):
        a = functional.linear(signal, tensors[f"layers.{layer}.W_in"], tensors[f"layers.{layer}.bias"])
        start = initial[layer] if initial else torch.zeros_like(a[0])
        signal = recurrence(a, tensors[f"layers.{layer}.u"], start)
        states.append(signal[-1])
        if running:
            gamma, beta = tensors[f"layers.{layer}.norm.gamma"], tensors[f"layers.{layer}.norm.beta"]
            rows, (mean, variance) = signal.flatten(0, 1), running[layer]
            rows = functional.batch_norm(rows, mean, variance, gamma, beta, True, NORM_MOMENTUM, NORM_EPS)
            signal = rows.view_as(signal)
        if masks:
            signal = signal * masks[layer]
    return functional.linear(signal[-1], tensors["readout.W"], tensors["readout.bias"]), states


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    torch.set_num_threads(threads)
    case, tensors = problem.case, leaves(problem.params)
    x, target = torch.tensor(problem.x), torch.tensor(problem.target)
    running = None if case.norm == "none" else running_statistics(case.layers, case.hidden_size, x.dtype)
    rng = np.random.default_rng(MASK_SEED)

    def run() -> tuple[Tensor, Tensor]:
        for tensor in tensors.values():
            tensor.grad = None
        masks = [torch.tensor(mask) for mask in draw_masks(case, rng, problem.x.dtype)]
        output, _ = network(tensors, x, running, masks)
        loss = functional.cross_entropy(output, target)
        loss.backward()
        return loss, output

    def collect(result: Any) -> dict[str, Array]:
        loss, output = result
        return {"loss": loss.detach().numpy(), "output": output.detach().numpy(), **gradients(tensors)}

    return Step(run, collect)
