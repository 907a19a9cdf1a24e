"""The PyTorch peer of EURNN: complex tensors, and a Python loop over time through autograd."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Problem, Step
from npr.bench.problems.eurnn import LAYER, OFFSET
from npr.bench.torch_peer.indrnn import leaves
from npr.bench.torch_peer.leaf_step import Leaves, leaf_step

Layer = tuple[Tensor, Tensor]


def rotations(tensors: Leaves) -> list[Layer]:
    """(diagonal, beside) of every layer, (n,) and complex."""
    found: list[Layer] = []
    angles = (tensors[f"{LAYER}{name}"].T for name in ("theta_even", "phi_even", "theta_odd", "phi_odd"))
    for theta_even, phi_even, theta_odd, phi_odd in zip(*angles, strict=True):
        cos, sin, turn = torch.cos(theta_even), torch.sin(theta_even), torch.exp(1j * phi_even)
        found.append((torch.cat([cos, cos * turn]), torch.cat([-sin * turn, sin])))
        cos, sin, turn = torch.cos(theta_odd), torch.sin(theta_odd), torch.exp(1j * phi_odd)
        one, zero = cos.new_ones(1), cos.new_zeros(1)
        found.append((torch.cat([one, cos * turn, cos, one]), torch.cat([zero, sin, -sin * turn, zero])))
    phase = torch.exp(1j * tensors[f"{LAYER}omega"])
    return [*found[:-1], (found[-1][0] * phase, found[-1][1] * phase)]


def exchanged(h: Tensor, odd: int) -> Tensor:
    """h (B, n) with the units of every pair exchanged."""
    n = h.shape[1]
    m = n // 2
    if odd:
        return torch.cat([h[:, :1], h[:, m : n - 1], h[:, 1:m], h[:, n - 1 :]], 1)
    return torch.cat([h[:, m:], h[:, :m]], 1)


def network(tensors: Leaves, x: Tensor) -> Tensor:
    """Output (B, K) of h_t = f(x_t U + Rot(h_{t-1})) after the last step, from h = 0."""
    layers, offset = rotations(tensors), tensors[f"{LAYER}modrelu"]
    z = torch.complex(*functional.linear(x, tensors[f"{LAYER}W_in"]).chunk(2, -1))
    h = torch.zeros_like(z[0])
    for z_t in z.unbind(0):
        for number, (diagonal, beside) in enumerate(layers):
            h = diagonal * h + beside * exchanged(h, number % 2)
        a = z_t + h
        size = torch.abs(a) + OFFSET
        h = a * (torch.relu(size + offset) / size)
    return functional.linear(h.real, tensors["readout.W"], tensors["readout.bias"])


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    tensors, x = leaves(problem.params), torch.tensor(problem.x)
    return leaf_step(problem, tensors, threads, lambda: network(tensors, x))
