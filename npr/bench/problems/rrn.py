"""One training step of the Recurrent Residual Network, reading "published", as plain arrays: a language model.

y = x + chain(h), h = LSTM(x), for each node. The peer evaluates the chain map by map, as the manuscript has it; npr
evaluates it as the one linear map that it is, which gives the same outputs and gradients.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import Array, Problem
from npr.bench.problems.text import GATES


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """`layers` LSTM nodes with two biases on embedded symbols, a readout at every step; `widths` are outputs of the
    chain's maps, after which comes hidden_size."""

    input_size: int
    layers: int
    widths: str

    peers = ("torch",)

    @property
    def chain(self) -> list[tuple[int, int]]:
        """Inputs and outputs of the chain's maps."""
        sizes = [self.hidden_size, *map(int, self.widths.split(",")), self.hidden_size]
        return list(itertools.pairwise(sizes))

    @property
    def products(self) -> int:
        """Of the cells and of every chain as one map: fewer than the peer has."""
        return 2 * self.seq_len * self.batch_size * self.layers * (4 * 2 + 1) * self.hidden_size**2

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=9, batch_size=5, hidden_size=7, input_size=11, widths="8,5")


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Parameters U(-0.08, 0.08) as the preset has them, embeddings among them, and random symbols."""
    rng = np.random.default_rng(seed)
    n, symbols = case.hidden_size, case.input_size
    shapes: dict[str, tuple[int, ...]] = {"embedding.W": (symbols, n)}
    for layer in range(case.layers):
        own = {"W_in": (n, n), "W_rec": (n, n), "bias": (n,), "bias_rec": (n,)}
        shapes |= {f"layers.{layer}.{gate}.{name}": shape for gate in GATES for name, shape in own.items()}
        for k, size in enumerate(case.chain):
            shapes |= {f"layers.{layer}.chain.{k}.W": size, f"layers.{layer}.chain.{k}.bias": size[1:]}
    shapes |= {"readout.W": (n, symbols), "readout.bias": (symbols,)}
    params = {name: rng.uniform(-0.08, 0.08, shape) for name, shape in shapes.items()}
    text: Array = rng.integers(0, symbols, (case.seq_len + 1, case.batch_size))
    return problem.rounded(case, params, np.zeros(0), text[1:], dtype)._replace(x=text[:-1])
