"""The PyTorch peer: torch.nn.Embedding or one-hot symbols, torch.nn.LSTM, torch.nn.Linear, torch.optim.RMSprop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Arrays, Problem, Step
from npr.bench.problems.text import ALPHA, CLIP_NORM, EPS, GATES, LR, named

KINDS = {"W_in": "weight_ih_l", "W_rec": "weight_hh_l", "bias": "bias_ih_l", "bias_rec": "bias_hh_l"}


class Network(torch.nn.Module):
    """Scores (T, B, V) of the symbols after those in (T, B)."""

    def __init__(self, case: Any, dtype: torch.dtype) -> None:
        super().__init__()
        size = case.input_size
        self.symbols = size
        self.embedding = torch.nn.Embedding(size, case.embedding_size, dtype=dtype) if case.embedding_size else None
        self.lstm = torch.nn.LSTM(case.widths[0], case.hidden_size, case.layers, dtype=dtype)
        self.readout = torch.nn.Linear(case.hidden_size, size, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        if self.embedding is None:
            shown = functional.one_hot(x, self.symbols).to(self.readout.weight.dtype)
        else:
            shown = self.embedding(x)
        return self.readout(self.lstm(shown)[0])

    def parts(self, of: str) -> Arrays:
        """Views of parameters or gradients under npr's names, in its orientation."""

        def view(parameter: Any) -> Tensor:
            return parameter.grad if of == "gradients" else parameter.detach()

        found = {} if self.embedding is None else {"embedding.W": view(self.embedding.weight).numpy()}
        for layer in range(self.lstm.num_layers):
            for ours, theirs in KINDS.items():
                blocks = view(getattr(self.lstm, f"{theirs}{layer}")).split(self.lstm.hidden_size)
                found |= {f"layers.{layer}.{q}.{ours}": block.numpy().T for q, block in zip(GATES, blocks, strict=True)}
        readout = {"readout.W": view(self.readout.weight).numpy().T, "readout.bias": view(self.readout.bias).numpy()}
        return found | readout


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, with its arrays in place."""
    torch.set_num_threads(threads)
    network = Network(problem.case, torch.from_numpy(problem.params["readout.W"]).dtype)
    for name, view in network.parts("parameters").items():
        view[...] = problem.params[name]
    x, target = torch.from_numpy(problem.x), torch.from_numpy(problem.target)
    optimizer = torch.optim.RMSprop(network.parameters(), lr=LR, alpha=ALPHA, eps=EPS)

    def run() -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        output = network(x)
        loss = functional.cross_entropy(output.flatten(0, 1), target.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimizer.step()
        return loss, output

    def collect(result: Any) -> Arrays:
        loss, output = (value.detach().numpy() for value in result)
        grads, params = (
            {name: view.copy() for name, view in network.parts(of).items()} for of in ("gradients", "parameters")
        )
        return named(problem, loss, output, grads, params)

    return Step(run, collect)
