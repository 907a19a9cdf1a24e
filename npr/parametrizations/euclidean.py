"""No constraint: W is the parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from npr.fields import one_of, whole
from npr.parametrizations.base import Plain
from npr.parametrizations.matrix_init import MATRICES, initial_matrix
from npr.params import Array, Buffers, Params
from npr.registry import parametrizations


class EuclideanCache(NamedTuple):
    """Nothing is needed."""


@parametrizations.register("euclidean")
@dataclass(frozen=True)
class Euclidean(Plain):
    """theta = {W (n, n)}.

    Parameters
    ----------
    size : int
        n, the number of units.
    recurrent_init : str
        Key of `MATRICES`.

    Raises
    ------
    ConfigError
        If `size` is not a positive whole number or there is no such start.
    """

    size: int
    recurrent_init: str = "glorot-normal"

    def __post_init__(self) -> None:
        whole("[1, 1e5]", size=self.size)
        one_of(sorted(MATRICES), recurrent_init=self.recurrent_init)

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """W drawn as `recurrent_init` says; no buffers."""
        return {"W": initial_matrix(self.recurrent_init, rng, self.size)}, {}

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, EuclideanCache]:
        """W, copied."""
        return theta["W"].astype(np.float64), EuclideanCache()

    def backward(self, cache: EuclideanCache, dW: Array) -> Params:
        """dL/dW, copied."""
        return {"W": dW.astype(np.float64)}

    def orthogonal(self, name: str) -> bool:
        """No entry."""
        return False

    def decays(self, name: str) -> bool:
        """Every entry."""
        return True
