"""The PyTorch peer: the cells of nnRNN/nnRNN_release in a Python loop over time, for current PyTorch.

As there, every step has its own input product, readout and cross-entropy, the loss is their mean, two RMSprop
optimisers share the parameters, and all of it has one type. Unlike there, the matrix exponential and its gradient
are PyTorch's own, torch.matrix_exp and autograd, without a way through the host's SciPy. Compiled is the step alone. A
CUDA graph has all steps, forward and backward; what makes W_rec asks the device for a norm and cannot be captured, and
it and the optimisers work outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Array, Arrays, Problem, Step
from npr.bench.problems.update import ALPHA, PACKED, REC, SETTINGS, named
from npr.bench.torch_peer.graph import captured

Leaves = dict[str, Tensor]
Cell = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Forward = Callable[[Leaves, Tensor], tuple[Tensor, Any]]  # of the leaves and W_rec: loss, outputs of all steps
Backward = Callable[[], tuple[Tensor, Any]]  # the same, with gradients in the leaves


def leaves(params: Arrays) -> Leaves:
    """Leaf tensors that ask for gradients; packed vectors become full matrices, as the originals have them."""
    return {name: torch.tensor(_full(name, value), requires_grad=True) for name, value in params.items()}


def _full(name: str, value: Array) -> Array:
    if name not in PACKED:
        return value
    n = round((1 + (1 + 8 * value.size) ** 0.5) / 2)
    matrix = np.zeros((n, n), value.dtype)
    matrix[np.triu_indices(n, 1)] = value
    return matrix


def packed(name: str, value: Tensor | None) -> Array:
    """A parameter or gradient in the shape npr has it."""
    if value is None:
        raise ValueError(f"no gradient reached {name}")
    array = value.detach().cpu().numpy()
    return array[np.triu_indices(len(array), 1)] if name in PACKED else array.copy()


def rotation(K: Tensor) -> Tensor:
    """exp(A), A skew-symmetric from what stands above the diagonal of K."""
    half = K.triu(1)
    return torch.matrix_exp(half - half.T)


def recurrent(tensors: Leaves) -> Tensor:
    """W_rec: free, exp(A), or P (T o M + Lambda) P^T."""
    if f"{REC}W" in tensors:
        return tensors[f"{REC}W"]
    if f"{REC}skew" in tensors:
        return rotation(tensors[f"{REC}skew"])
    P, gamma, angle = rotation(tensors[f"{REC}log_P"]), tensors[f"{REC}gamma"], tensors[f"{REC}angle"]
    across = gamma * torch.sin(angle)
    off = torch.stack([across, torch.zeros_like(across)], 1).flatten()[:-1]
    blocks = torch.diag((gamma * torch.cos(angle)).repeat_interleave(2)) + torch.diag(off, -1) - torch.diag(off, 1)
    return P @ (tensors[f"{REC}T"].triu(1) + blocks) @ P.T


def modrelu(z: Tensor, b: Tensor) -> Tensor:
    """sign(z) max(|z| + b, 0)."""
    return torch.sign(z) * torch.relu(torch.abs(z) + b)


def cell(z: Tensor, h: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """One step: modReLU(z + h W)."""
    return modrelu(z + h @ W, b)


def network(tensors: Leaves, W: Tensor, x: Tensor, target: Tensor, cell: Cell) -> tuple[Tensor, list[Tensor]]:
    """Mean cross-entropy over all steps, and the output of each."""
    h = x.new_zeros(x.shape[1], len(W))
    loss, outputs = x.new_zeros(()), []
    for x_t, target_t in zip(x, target, strict=True):
        h = cell(x_t @ tensors["layers.0.W_in"], h, W, tensors["layers.0.modrelu"])
        outputs.append(torch.addmm(tensors["readout.bias"], h, tensors["readout.W"]))
        loss = loss + functional.cross_entropy(outputs[-1], target_t)
    return loss / len(x), outputs


def optimizers(model: str, tensors: Leaves) -> list[torch.optim.Optimizer]:
    """RMSprop for what stands behind orthogonal matrices, if there is such, and another, which knows the decay of T."""
    settings = SETTINGS[model]
    apart = [tensors[name] for name in PACKED[:2] if name in tensors]
    decayed = [tensors[name] for name in PACKED[2:] if name in tensors]
    others = [tensor for name, tensor in tensors.items() if name not in PACKED]
    groups: list[dict[str, Any]] = [{"params": others}]
    if decayed:
        groups.append({"params": decayed, "weight_decay": settings.t_decay})
    first = [torch.optim.RMSprop(apart, lr=settings.lr_orth, alpha=ALPHA)] if apart else []
    return [*first, torch.optim.RMSprop(groups, lr=settings.lr, alpha=ALPHA)]


def prepare(problem: Problem, threads: int, compiled: bool = False, graph: bool = False) -> Step:
    """The step of this library, with its arrays in place."""
    step = torch.compile(cell) if compiled else cell
    x, target = torch.tensor(problem.x), torch.tensor(problem.target)

    def forward(tensors: Leaves, W: Tensor) -> tuple[Tensor, list[Tensor]]:
        return network(tensors, W, x, target, step)

    tensors = leaves(problem.params)
    return trained(problem, threads, tensors, (split if graph else whole)(problem, tensors, forward), named)


def penalty(model: str, tensors: Leaves) -> Tensor | float:
    """What a model adds to the loss."""
    factor = SETTINGS[model].gamma_penalty
    return factor * ((tensors[f"{REC}gamma"] - 1) ** 2).sum() if factor else 0.0


def whole(problem: Problem, tensors: Leaves, forward: Forward) -> Backward:
    """Both passes by one call of autograd."""

    def run() -> tuple[Tensor, Any]:
        for tensor in tensors.values():
            tensor.grad = None
        loss, outputs = forward(tensors, recurrent(tensors))
        (loss + penalty(problem.case.model, tensors)).backward()
        return loss, outputs

    return run


def split(problem: Problem, tensors: Leaves, forward: Forward) -> Backward:
    """Both passes of the steps as a CUDA graph with a W_rec of its own, whose gradient then goes on to what made it."""
    made = {name: tensor for name, tensor in tensors.items() if name.startswith(REC)}
    inner = [tensor for name, tensor in tensors.items() if name not in made]
    held = recurrent(tensors).detach().clone().requires_grad_()

    def steps() -> tuple[Tensor, Any]:
        for tensor in (held, *inner):
            tensor.grad = None
        loss, outputs = forward(tensors, held)
        loss.backward()
        return loss, outputs

    through_time = captured(steps, problem.device)

    def run() -> tuple[Tensor, Any]:
        for tensor in made.values():
            tensor.grad = None
        W = recurrent(tensors)
        held.detach().copy_(W.detach())
        loss, outputs = through_time()
        ((W * held.grad).sum() + penalty(problem.case.model, tensors)).backward()
        return loss, outputs

    return run


def trained(problem: Problem, threads: int, tensors: Leaves, backward: Backward, named: Callable[..., Arrays]) -> Step:
    """Both passes and a step of the optimisers; `named` gives the names that are compared."""
    torch.set_num_threads(threads)
    all_of_them = optimizers(problem.case.model, tensors)

    def run() -> tuple[Tensor, Any]:
        found = backward()
        for optimizer in all_of_them:
            optimizer.step()
        return found

    def collect(result: Any) -> Arrays:
        loss, outputs = result
        grads = {name: packed(name, tensor.grad) for name, tensor in tensors.items()}
        params = {name: packed(name, tensor) for name, tensor in tensors.items()}
        return named(
            problem, loss.detach().cpu().numpy(), torch.stack(list(outputs)).detach().cpu().numpy(), grads, params
        )

    return Step(run, collect)
