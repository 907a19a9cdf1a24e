"""Loss and gradients of a network of PyTorch whose parameters are leaf tensors under npr's names, as one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Array, Problem, Step
from npr.bench.torch_peer.graph import captured

Leaves = dict[str, Tensor]


def gradients(tensors: Leaves) -> dict[str, Array]:
    """Gradients of the leaves, weights (in, out) again."""
    missing = [name for name, tensor in tensors.items() if tensor.grad is None]
    if missing:
        raise ValueError(f"no gradient reached {', '.join(missing)}")
    return {name: tensor.grad.cpu().numpy().T.copy() for name, tensor in tensors.items() if tensor.grad is not None}


def leaf_step(
    problem: Problem, tensors: Leaves, threads: int, network: Callable[[], Tensor], graph: bool = False
) -> Step:
    """Forward, cross-entropy and, unless the case ends there, backward; `network` gives (B, K). With `graph` a device
    has all of it as one CUDA graph."""
    torch.set_num_threads(threads)
    forward, target = problem.case.forward, torch.tensor(problem.target)

    def run() -> tuple[Tensor, Tensor]:
        for tensor in tensors.values():
            tensor.grad = None
        with torch.set_grad_enabled(not forward):
            output = network()
            loss = functional.cross_entropy(output, target)
        if not forward:
            loss.backward()
        return loss, output

    def collect(result: Any) -> dict[str, Array]:
        loss, output = (value.detach().cpu().numpy() for value in result)
        return {"loss": loss, "output": output, **({} if forward else gradients(tensors))}

    return Step(captured(run, problem.device) if graph else run, collect)
