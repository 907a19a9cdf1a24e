"""The PyTorch peer: torch.nn.RNN and a linear readout.

The module has two bias vectors that are added to each other. The second is zero and asks for no gradient: npr and
JAX have one, and its gradient would only repeat the first.
"""

from __future__ import annotations

from typing import Any

import torch
from problem import Arrays, Problem, Step
from torch import Tensor
from torch.nn import functional

# Module and parameter of every array, weights turned to (out, in).
NAMES = {
    "layers.0.W_in": (0, "weight_ih_l0"),
    "layers.0.bias": (0, "bias_ih_l0"),
    "layers.0.recurrent.W": (0, "weight_hh_l0"),
    "readout.W": (1, "weight"),
    "readout.bias": (1, "bias"),
}


def modules(problem: Problem) -> tuple[torch.nn.RNN, torch.nn.Linear]:
    """The recurrent module and the readout, holding the parameters of the problem."""
    case, dtype = problem.case, torch.from_numpy(problem.x).dtype
    pair = (
        torch.nn.RNN(case.input_size, case.hidden_size, dtype=dtype),
        torch.nn.Linear(case.hidden_size, case.classes, dtype=dtype),
    )
    with torch.no_grad():
        for name, (module, own) in NAMES.items():
            getattr(pair[module], own).copy_(torch.from_numpy(problem.params[name].T.copy()))
        pair[0].bias_hh_l0.zero_().requires_grad_(False)
    return pair


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    torch.set_num_threads(threads)
    pair = modules(problem)
    recurrent, readout = pair
    x = torch.tensor(problem.x, requires_grad=problem.case.input_gradient)
    target = torch.tensor(problem.target)

    def run() -> tuple[Tensor, Tensor]:
        recurrent.zero_grad()
        readout.zero_grad()
        x.grad = None
        _, last = recurrent(x)
        output = readout(last[0])
        loss = functional.cross_entropy(output, target)
        loss.backward()
        return loss, output

    def collect(result: Any) -> Arrays:
        loss, output = (value.detach().numpy() for value in result)
        grads = {name: getattr(pair[module], own).grad.numpy().T.copy() for name, (module, own) in NAMES.items()}
        d_input = {} if x.grad is None else {"x": x.grad.numpy()}
        return {"loss": loss, "output": output, **grads, **d_input}

    return Step(run, collect)
