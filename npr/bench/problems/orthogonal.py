"""One full update of a language model with an orthogonal or nearly orthogonal W_rec as plain arrays.

Sizes of the nnRNN suite on the Penn Treebank, where W_rec has 1,024 rows and its exponential is a part of the work. The
optimiser is RMSprop for all, with the rates of `update.py`, and gradients are not clipped. What is said there about
modReLU in float32 holds here, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import Array, Arrays, Problem
from npr.bench.problems import update
from npr.bench.problems.update import REC


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """One update of `model` on `input_size` embedded symbols, a readout at every step; npr's parametrisation has
    float64, as is its default."""

    model: str
    input_size: int
    embedding_size: int

    tolerances = update.Case.tolerances
    peers = ("torch", "torch.compile")
    cuda_peers = ("torch", "torch-graph")
    splits = False

    @property
    def sensitivity(self) -> str:
        """The activation."""
        return "modrelu"

    @property
    def products(self) -> int:
        """Of the cell alone, the input weights of the embeddings included."""
        weights = self.hidden_size * (self.hidden_size + self.embedding_size)
        return 2 * self.seq_len * self.batch_size * weights

    def tiny(self) -> Case:
        """The same case at a size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=9, batch_size=7, hidden_size=18, input_size=11, embedding_size=5)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """The published initial values with small numbers in the place of zeros, and random symbols.

    What is drawn for all entries of a matrix shrinks with its rows, so that its norm does not grow with them.
    """
    rng = np.random.default_rng(seed)
    n, features, symbols = case.hidden_size, case.embedding_size, case.input_size
    params: Arrays = {
        "embedding.W": rng.uniform(-0.1, 0.1, (symbols, features)),
        "layers.0.W_in": rng.normal(0.0, np.sqrt(2 / features), (features, n)),
        "layers.0.modrelu": rng.uniform(-0.01, 0.01, n),
        "readout.W": rng.uniform(-0.1, 0.1, (n, symbols)),
        "readout.bias": rng.uniform(-0.1, 0.1, symbols),
    }
    if case.model == "rnn-orth":
        params["layers.0.bias"] = rng.uniform(-0.05, 0.05, n)
        params[f"{REC}W"] = np.linalg.qr(rng.normal(size=(n, n)))[0]
    else:
        skew = update.draw_skew(n, rng, 0.2 / np.sqrt(n))
        params |= {f"{REC}skew": skew} if case.model == "exprnn" else update.schur(skew, n, rng, 0.1 / np.sqrt(n))
    text: Array = rng.integers(0, symbols, (case.seq_len + 1, case.batch_size))
    return problem.rounded(case, params, np.zeros(0), text[1:], dtype)._replace(x=text[:-1])
