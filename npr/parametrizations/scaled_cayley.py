"""scoRNN: a Cayley map with a fixed diagonal of signs, so that eigenvalues near -1 are within reach.

    W = (I + A)^{-1} (I - A) D,   D = diag(1, ..., 1, -1, ..., -1) with rho entries of -1
    F = -(I - A)^{-1} G (D + W^T)

theta = {skew (n (n-1) / 2,)}, the entries of A above the diagonal. For rows h, D acts after the rotation; the paper
writes columns and lets it act before.

Source: arXiv 1707.09520; SpartinStuff/scoRNN, scoRNN_mnist.py, lines 125 to 143.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.fields import one_of, whole
from npr.parametrizations.base import Plain
from npr.parametrizations.maps import map_for
from npr.parametrizations.skew import skew, skew_backward
from npr.parametrizations.skew_init import SKEWS, initial_skew
from npr.params import Array, Buffers, Params
from npr.registry import parametrizations


class ScaledCayleyCache(NamedTuple):
    """Cache of the Cayley map of -2A, and the diagonal of D (n,)."""

    map: Any
    signs: Array


@parametrizations.register("scaled-cayley")
@dataclass(frozen=True)
class ScaledCayley(Plain):
    """W = (I + A)^{-1} (I - A) D.

    Parameters
    ----------
    size : int
        n, the number of units.
    rho : int
        Number of entries -1 in D, 0 to n; the authors take n/2 for copying, adding and permuted pixels, n/10 else.
    skew_init : str
        Key of `SKEWS`: the initial A.

    Raises
    ------
    ConfigError
        If an option is outside its range.
    """

    size: int
    rho: int = 0
    skew_init: str = "cayley"

    def __post_init__(self) -> None:
        whole("[1, 1e5]", size=self.size)
        whole(f"[0, {self.size}]", rho=self.rho)
        one_of(sorted(SKEWS), skew_init=self.skew_init)

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """A drawn as `skew_init` says; no buffers."""
        return {"skew": initial_skew(self.skew_init, rng, self.size)}, {}

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, ScaledCayleyCache]:
        """W (n, n): the Cayley map of `npr.parametrizations.cayley` at -2A, times D."""
        signs = namespace(theta["skew"]).ones(self.size)
        signs[self.size - self.rho :] = -1
        A = -2 * skew(theta["skew"], self.size)
        rotation, cache = map_for("cayley", A).forward(A)
        return rotation * signs, ScaledCayleyCache(cache, signs)

    def backward(self, cache: ScaledCayleyCache, dW: Array) -> Params:
        """Gradient of the entries of A."""
        F = map_for("cayley", dW).backward(cache.map, dW * cache.signs)
        return {"skew": -2 * skew_backward(F)}

    def orthogonal(self, name: str) -> bool:
        """Every entry."""
        return True

    def decays(self, name: str) -> bool:
        """No entry."""
        return False
