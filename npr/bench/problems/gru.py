"""One training step of a GRU as plain arrays: sizes, weights, input and target, the same for every library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from npr.bench.problem import Problem
from npr.bench.problems import dense


@dataclass(frozen=True, kw_only=True)
class Case(dense.Case):
    """One layer of three gates as cuDNN has them, ten classes read after the last step."""

    @property
    def products(self) -> int:
        """Those of a tanh layer for every gate."""
        return 3 * super().products


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Weights U(-1/sqrt(H), 1/sqrt(H)) as torch starts, biases off 0, and random data.

    The update gates start near sigmoid(2.3) = 0.91: the gradient shrinks on its way to the first step, but stays above
    the smallest normal float32, so that nobody is slowed down by subnormal numbers.
    """
    rng = np.random.default_rng(seed)
    n, fan_in = case.hidden_size, case.input_size
    bound = n**-0.5
    params = {}
    for place in (f"{direction}{gate}." for direction in case.places for gate in "rzn"):
        params[f"{place}W_in"] = rng.uniform(-bound, bound, (fan_in, n))
        params[f"{place}W_rec"] = rng.uniform(-bound, bound, (n, n))
        params[f"{place}bias"] = rng.uniform(-bound, bound, n) + 2.3 * place.endswith("z.")
        if place.endswith("n."):
            params[f"{place}bias_rec"] = rng.uniform(-bound, bound, n)
    return dense.with_readout(case, params, rng, dtype)
