"""One training step of ResRNN as plain arrays, the same for every library.

Float32 is sensitive here: rounding moves one or two of some 1.6e6 pre-activations across the kink of ReLU, each of
which carries the gradient of one step. With B = 10 and three seeds entries of a gradient changed by 4e-6, 8e-3 and
2.9e-2 of its largest, by the same in npr and in PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import Arrays, Problem

LAYER = "layers.0."


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """A stream of input_size + hidden_size columns that moves past one residual block; read is its right end.

    linearity : weight of the skip, by default that of npr's preset for small computers
    """

    linearity: float = 0.997

    tolerances: ClassVar[dict[str, float]] = {**problem.Case.tolerances, "float32": 1e-1}
    peers = ("torch", "torch.compile", "jax")

    @property
    def width(self) -> int:
        """Columns of the stream."""
        return self.input_size + self.hidden_size

    @property
    def products(self) -> int:
        """Two matrices of the whole stream at every step."""
        return 2 * 2 * self.seq_len * self.batch_size * self.width**2

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=41, batch_size=5, hidden_size=18)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """The published initial weights, biases and the first state off 0, and pixels from 0 to 1."""
    rng = np.random.default_rng(seed)
    n = case.width
    params: Arrays = {
        f"{LAYER}s0": rng.uniform(-0.5, 0.5, case.hidden_size),
        f"{LAYER}W1": rng.uniform(-1, 1, (n, n)) * np.sqrt(3 / n),
        f"{LAYER}b1": rng.uniform(-0.5, 0.5, n),
        f"{LAYER}W2": rng.uniform(-1, 1, (n, n)) * np.sqrt(6 / n),
        f"{LAYER}b2": rng.uniform(-0.5, 0.5, n),
    }
    x = rng.uniform(0.0, 1.0, (case.seq_len, case.batch_size, case.input_size))
    return problem.rounded(case, params, x, rng.integers(0, case.classes, case.batch_size), dtype)
