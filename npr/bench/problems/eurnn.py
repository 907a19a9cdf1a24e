"""One training step of an EURNN in the tunable style as plain arrays, the same for every library.

Units stand as in `npr.kernels.rotations`: even layers pair unit j with m + j, odd ones m + j with j + 1, m = H / 2. A
layer of all libraries but npr is y = diagonal * x + beside * (x with the units of every pair exchanged), as in
jingli9111/EUNN-tensorflow, and the last phases are folded into the last layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import Arrays, Problem
from npr.bench.problems import dense

LAYER = "layers.0."
OFFSET = 0.01  # r = |a| + OFFSET in EUNN's modReLU


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """One complex layer of `capacity` layers of rotations, ten classes read from Re(h) after the last step."""

    capacity: int = 4

    # An angle's gradient adds terms of both signs over all steps and sequences: 5.5e-5 was seen in float32 at T = 784.
    tolerances: ClassVar[dict[str, float]] = {**problem.Case.tolerances, "float32": 3e-4}

    @property
    def products(self) -> int:
        """The complex input product, 18 FLOPs for every rotation and 6 for every last phase."""
        pairs = self.capacity // 2 * (self.hidden_size - 1)
        per_row = 2 * self.input_size * 2 * self.hidden_size + 18 * pairs + 6 * self.hidden_size
        return self.seq_len * self.batch_size * per_row

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=21, batch_size=10, hidden_size=18)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Angles from all of the circle as published, input weights by Glorot, modReLU biases off 0, and random data."""
    rng = np.random.default_rng(seed)
    n, fan_in, half = case.hidden_size, case.input_size, case.capacity // 2
    params: Arrays = {
        f"{LAYER}W_in": rng.normal(0.0, np.sqrt(2 / (fan_in + n)), (fan_in, 2 * n)),
        f"{LAYER}modrelu": rng.uniform(-0.01, 0.01, n),
    }
    for angle in ("theta", "phi"):
        params[f"{LAYER}{angle}_even"] = rng.uniform(-np.pi, np.pi, (half, n // 2))
        params[f"{LAYER}{angle}_odd"] = rng.uniform(-np.pi, np.pi, (half, n // 2 - 1))
    params[f"{LAYER}omega"] = rng.uniform(-np.pi, np.pi, n)
    return dense.with_readout(case, params, rng, dtype)
