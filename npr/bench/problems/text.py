"""One full update of an LSTM language model as plain arrays: the same symbols, parameters and rates everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import CHANGE, Array, Arrays, Problem

LR, ALPHA, EPS, CLIP_NORM = 2e-3, 0.95, 2e-10, 0.1  # of chainer-char-rnn, for the mean over 50 steps
GATES = "ifgo"


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """Layers of LSTM with two biases and a readout at every step; `input_size` symbols, embedded or one-hot."""

    input_size: int
    layers: int = 1
    embedding_size: int = 0

    peers = ("torch",)
    splits = False

    @property
    def widths(self) -> list[int]:
        """Inputs of every layer."""
        return [self.embedding_size or self.input_size, *[self.hidden_size] * (self.layers - 1)]

    @property
    def products(self) -> int:
        """Of the cells alone, a one-hot input being a product like any other."""
        per_step = sum(4 * self.hidden_size * (self.hidden_size + width) for width in self.widths)
        return 2 * self.seq_len * self.batch_size * per_step

    def tiny(self) -> Case:
        """The same case at a size that runs in milliseconds and has no goals."""
        embedding = min(self.embedding_size, 6)
        return self.freed(seq_len=7, batch_size=5, hidden_size=9, input_size=11, embedding_size=embedding)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Parameters U(-0.08, 0.08) and random symbols."""
    rng = np.random.default_rng(seed)
    n, symbols = case.hidden_size, case.input_size
    shapes: dict[str, tuple[int, ...]] = {"embedding.W": (symbols, case.embedding_size)} if case.embedding_size else {}
    for layer, width in enumerate(case.widths):
        for gate in GATES:
            own = {"W_in": (width, n), "W_rec": (n, n), "bias": (n,), "bias_rec": (n,)}
            shapes |= {f"layers.{layer}.{gate}.{name}": shape for name, shape in own.items()}
    shapes |= {"readout.W": (n, symbols), "readout.bias": (symbols,)}
    params = {name: rng.uniform(-0.08, 0.08, shape) for name, shape in shapes.items()}
    text = rng.integers(0, symbols, (case.seq_len + 1, case.batch_size))
    return problem.rounded(case, params, np.zeros(0), text[1:], dtype)._replace(x=text[:-1])


def named(given: Problem, loss: Array, output: Array, grads: Arrays, params: Arrays) -> Arrays:
    """Results of a first update under the names that are compared; its changes in float64 only."""
    found = {"loss": np.asarray(loss), "output": output, **grads}
    if given.params["readout.W"].dtype == np.float64:
        found |= {f"{CHANGE}{name}": value - given.params[name] for name, value in params.items()}
    return found
