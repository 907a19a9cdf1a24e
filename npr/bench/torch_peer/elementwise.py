"""The PyTorch peer of the elementwise recurrence: the Python loop of `indrnn.py`, without its layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from npr.bench.problem import Arrays, Problem, Step
from npr.bench.problems.elementwise import named
from npr.bench.torch_peer.graph import captured
from npr.bench.torch_peer.indrnn import cell, recurrence


def prepare(problem: Problem, threads: int, compiled: bool = False, graph: bool = False) -> Step:
    """The step of this library, with its arrays in place. Compiled is the step of time alone; a CUDA graph has all."""
    torch.set_num_threads(threads)
    one = torch.compile(cell) if compiled else cell
    forward = problem.case.forward
    z, u = (torch.tensor(value, requires_grad=True) for value in (problem.x, problem.params["u"]))
    g = torch.tensor(problem.target)

    def run() -> Tensor:
        z.grad = u.grad = None
        with torch.set_grad_enabled(not forward):
            h = recurrence(z, u, torch.zeros_like(z[0]), one)
        if not forward:
            h.backward(g)
        return h

    def collect(h: Any) -> Arrays:
        grads = {} if z.grad is None or u.grad is None else {"u": u.grad.cpu().numpy(), "x": z.grad.cpu().numpy()}
        return named(problem, h.detach().cpu().numpy(), grads)

    return Step(captured(run, problem.device) if graph else run, collect)
