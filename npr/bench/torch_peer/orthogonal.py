"""The PyTorch peer of the orthogonal language models: the cell of `update.py` in a Python loop over time.

As in the language model of nnRNN/nnRNN_release there is one readout for all steps; the input product is one, too,
which there is made step by step. Compiled is the step alone, and in a CUDA graph is what `update.py` has in one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from npr.bench.problem import Problem, Step
from npr.bench.problems.text import named
from npr.bench.torch_peer.update import Cell, Leaves, cell, leaves, split, trained, whole


def network(tensors: Leaves, W: Tensor, x: Tensor, cell: Cell) -> Tensor:
    """Scores (T, B, V) of the symbols after those in (T, B)."""
    z = functional.embedding(x, tensors["embedding.W"]) @ tensors["layers.0.W_in"]
    if "layers.0.bias" in tensors:
        z = z + tensors["layers.0.bias"]
    h, states = torch.zeros_like(z[0]), []
    for z_t in z.unbind(0):
        h = cell(z_t, h, W, tensors["layers.0.modrelu"])
        states.append(h)
    return torch.stack(states) @ tensors["readout.W"] + tensors["readout.bias"]


def prepare(problem: Problem, threads: int, compiled: bool = False, graph: bool = False) -> Step:
    """The step of this library, with its arrays in place."""
    step = torch.compile(cell) if compiled else cell
    x, target = torch.tensor(problem.x), torch.tensor(problem.target)

    def forward(tensors: Leaves, W: Tensor) -> tuple[Tensor, Tensor]:
        output = network(tensors, W, x, step)
        return functional.cross_entropy(output.flatten(0, 1), target.flatten()), output

    tensors = leaves(problem.params)
    return trained(problem, threads, tensors, (split if graph else whole)(problem, tensors, forward), named)
