"""Rotations around a base point: W = base exp(A) or base cayley(A), A skew-symmetric.

theta = {skew (n (n-1) / 2,)}, the entries of A above the diagonal. `rebase_every` chooses the base: the identity
(expRNN), the initial W (dtriv infinity), or the W of every K-th update (dtriv K), at which A starts again from 0.
The gradient is always taken at the A and the base in force, also right after a rebase.

Source: arXiv 1901.08428 (expRNN), arXiv 1909.09501 (dtriv); Lezcano/expRNN, parametrization.py, whose gradient
in the update of a rebase mixes the old A with the new base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npr.fields import one_of, whole
from npr.parametrizations.base import Plain
from npr.parametrizations.maps import MAPS, map_for
from npr.parametrizations.skew import skew, skew_backward
from npr.parametrizations.skew_init import SKEWS, initial_skew
from npr.params import Array, Buffers, Params
from npr.registry import parametrizations


class OrthogonalCache(NamedTuple):
    """Cache of the map, and the base (n, n) or None for the identity."""

    map: Any
    base: Array | None


@parametrizations.register("orthogonal")
@dataclass(frozen=True)
class Orthogonal(Plain):
    """W = base map(A).

    Parameters
    ----------
    size : int
        n, the number of units.
    skew_init : str
        Key of `SKEWS`: A of the first W.
    map : {"expm", "cayley"}
        exp(A), or (I - A/2)^{-1} (I + A/2).
    rebase_every : int
        0: base = I. K > 0: base = W and A = 0 at the start and after every K updates. -1: at the start only.
    project_every : int
        At every so many of these rebases the new base is replaced by the orthogonal matrix next to it; 0 for never.
    precision : {"float64", "float32"}
        Of all arithmetic and of W; the base is kept in float64.

    Raises
    ------
    ConfigError
        If an option is outside its range.
    """

    size: int
    skew_init: str = "henaff"
    map: str = "expm"
    rebase_every: int = 0
    project_every: int = 100
    precision: str = "float64"

    def __post_init__(self) -> None:
        whole("[1, 1e5]", size=self.size)
        one_of(sorted(SKEWS), skew_init=self.skew_init)
        one_of(sorted(MAPS), map=self.map)
        whole("[-1, 1e9]", rebase_every=self.rebase_every)
        whole("[0, 1e9]", project_every=self.project_every)
        one_of(("float64", "float32"), precision=self.precision)

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """A drawn as `skew_init` says; with a base, W of that A as base (n, n), A = 0, and with K > 0 age = 0 (1,)."""
        vector = initial_skew(self.skew_init, rng, self.size)
        if not self.rebase_every:
            return {"skew": vector}, {}
        base, _ = self._mapped(skew(vector, self.size))
        age = {"age": np.zeros(1)} if self.rebase_every > 0 else {}
        return {"skew": np.zeros_like(vector)}, {"base": base} | age

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, OrthogonalCache]:
        """W (n, n) = base map(A)."""
        W, cache = self._mapped(skew(theta["skew"], self.size, self.precision))
        if "base" not in buffers:
            return W, OrthogonalCache(cache, None)
        base = buffers["base"].astype(self.precision)
        return base @ W, OrthogonalCache(cache, base)

    def backward(self, cache: OrthogonalCache, dW: Array) -> Params:
        """Gradient of the entries of A: that of map(A) is base^T dW."""
        dW = dW.astype(self.precision, copy=False)
        d_map = dW if cache.base is None else cache.base.T @ dW
        return {"skew": skew_backward(map_for(self.map, d_map).backward(cache.map, d_map))}

    def settle(self, theta: Params, buffers: Buffers) -> Buffers:
        """Counts the update; at every K-th, base = W and A = 0."""
        if "age" not in buffers:
            return buffers
        age = buffers["age"] + 1
        if age[0] % self.rebase_every:
            return buffers | {"age": age}
        W, _ = self._mapped(skew(theta["skew"], self.size))
        base = buffers["base"] @ W
        if self.project_every and age[0] // self.rebase_every % self.project_every == 0:
            U, _, Vt = np.linalg.svd(base)
            base = U @ Vt
        theta["skew"][...] = 0
        return {"base": base, "age": age}

    def orthogonal(self, name: str) -> bool:
        """Every entry."""
        return True

    def decays(self, name: str) -> bool:
        """No entry: decay would pull W towards the base."""
        return False

    def _mapped(self, A: Array) -> tuple[Array, Any]:
        return map_for(self.map, A).forward(A)
