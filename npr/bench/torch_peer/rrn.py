"""The PyTorch peer of the Recurrent Residual Network: torch.nn.LSTM, and torch.nn.Linear for every map of a chain."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Arrays, Problem, Step
from npr.bench.problems.rrn import Case
from npr.bench.problems.text import GATES
from npr.bench.torch_peer.text import KINDS


class Node(torch.nn.Module):
    """x + chain(LSTM(x)) of x (T, B, n)."""

    def __init__(self, case: Case, dtype: torch.dtype) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(case.hidden_size, case.hidden_size, dtype=dtype)
        self.chain = torch.nn.Sequential(*(torch.nn.Linear(*size, dtype=dtype) for size in case.chain))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.chain(self.lstm(x)[0])


class Network(torch.nn.Module):
    """Scores (T, B, V) of the symbols after those in (T, B)."""

    def __init__(self, case: Case, dtype: torch.dtype) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(case.input_size, case.hidden_size, dtype=dtype)
        self.nodes = torch.nn.Sequential(*(Node(case, dtype) for _ in range(case.layers)))
        self.readout = torch.nn.Linear(case.hidden_size, case.input_size, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.nodes(self.embedding(x)))

    def parts(self, of: str) -> Arrays:
        """Views of parameters or gradients under npr's names, in its orientation."""

        def view(parameter: Any) -> Any:
            return (parameter.grad if of == "gradients" else parameter.detach()).numpy()

        def linear(name: str, map: Any) -> Arrays:
            return {f"{name}.W": view(map.weight).T, f"{name}.bias": view(map.bias)}

        found = {"embedding.W": view(self.embedding.weight)} | linear("readout", self.readout)
        for layer, node in enumerate(self.nodes):
            name = f"layers.{layer}"
            for ours, theirs in KINDS.items():
                stacked = view(getattr(node.lstm, f"{theirs}0"))
                blocks = stacked.reshape(len(GATES), -1, *stacked.shape[1:])
                found |= {f"{name}.{q}.{ours}": block.T for q, block in zip(GATES, blocks, strict=True)}
            for k, map in enumerate(node.chain):
                found |= linear(f"{name}.chain.{k}", map)
        return found


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    torch.set_num_threads(threads)
    case = problem.case
    network = Network(case, torch.from_numpy(problem.params["readout.W"]).dtype)
    for name, view in network.parts("parameters").items():
        view[...] = problem.params[name]
    x, target = torch.from_numpy(problem.x), torch.from_numpy(problem.target)

    def run() -> tuple[Tensor, Tensor]:
        network.zero_grad()
        with torch.set_grad_enabled(not case.forward):
            output = network(x)
            loss = functional.cross_entropy(output.flatten(0, 1), target.flatten())
        if not case.forward:
            loss.backward()
        return loss, output

    def collect(result: Any) -> Arrays:
        loss, output = (value.detach().numpy() for value in result)
        grads = {} if case.forward else {name: view.copy() for name, view in network.parts("gradients").items()}
        return {"loss": loss, "output": output, **grads}

    return Step(run, collect)
