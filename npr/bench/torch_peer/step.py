"""One forward and backward pass of a recurrent module of PyTorch with a linear readout after the last step.

The modules have two bias vectors that are added to each other. Where npr and JAX have one, the second is zero and asks
for no gradient, which would only repeat that of the first. A second direction has parameters of its own, whose names
end in "_reverse".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Array, Arrays, Problem, Step


class Place(NamedTuple):
    """Where a parameter of a layer of npr stands in the recurrent module, turned to (out, in): name, gate's number."""

    name: str
    gate: int = 0


def training_step(kind: type[torch.nn.RNNBase], places: Mapping[str, Place], problem: Problem, threads: int) -> Step:
    """Forward, cross-entropy and, unless the case ends there, backward; dL/dx where the case says so."""
    torch.set_num_threads(threads)
    case, dtype = problem.case, torch.from_numpy(problem.x).dtype
    recurrent = kind(case.input_size, case.hidden_size, bidirectional=case.bidirectional, dtype=dtype)
    readout = torch.nn.Linear(case.read_size, case.classes, dtype=dtype)
    ends = ("", "_reverse")[: len(case.places)]
    where = {
        f"{direction}{key}": Place(f"{place.name}{end}", place.gate)
        for direction, end in zip(case.places, ends, strict=True)
        for key, place in places.items()
    }
    x = torch.tensor(problem.x, requires_grad=case.input_gradient)
    target = torch.tensor(problem.target)

    def parts(of: str) -> dict[str, Tensor]:
        """Views of parameters or gradients under npr's names, weights still (out, in)."""

        def one(module: torch.nn.Module, name: str) -> Tensor:
            parameter = getattr(module, name)
            return parameter.grad if of == "gradients" else parameter.detach()

        own = {key: one(recurrent, place.name).split(case.hidden_size)[place.gate] for key, place in where.items()}
        return {**own, "readout.W": one(readout, "weight"), "readout.bias": one(readout, "bias")}

    for end in ends:
        second = f"bias_hh_l0{end}"
        getattr(recurrent, second).detach().zero_()
        getattr(recurrent, second).requires_grad_(second in {place.name for place in where.values()})
    for key, value in parts("parameters").items():
        value.copy_(torch.from_numpy(problem.params[key].T.copy()))

    def run() -> tuple[Tensor, Tensor]:
        recurrent.zero_grad()
        readout.zero_grad()
        x.grad = None
        with torch.set_grad_enabled(not case.forward):
            _, last = recurrent(x)
            output = readout(torch.cat(tuple(last[0] if isinstance(last, tuple) else last), -1))
            loss = functional.cross_entropy(output, target)
        if not case.forward:
            loss.backward()
        return loss, output

    def collect(result: Any) -> Arrays:
        loss, output = (value.detach().cpu().numpy() for value in result)
        if case.forward:
            return {"loss": loss, "output": output}
        grads: dict[str, Array] = {key: value.cpu().numpy().T.copy() for key, value in parts("gradients").items()}
        d_input = {} if x.grad is None else {"x": x.grad.cpu().numpy()}
        return {"loss": loss, "output": output, **grads, **d_input}

    return Step(run, collect)
