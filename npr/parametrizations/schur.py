"""nnRNN: a real Schur form with orthogonal P and a part T above the rotations that makes W non-normal.

    W = P Theta P^T,   P = exp(skew(log_P)),   Theta = M o T + Lambda,
    Lambda = blocks gamma_i [[cos t_i, -sin t_i], [sin t_i, cos t_i]] on rows and columns (2i, 2i+1)

Backward, with G = dL/dW and q the i-th 2 x 2 block of dTheta:

    dTheta = P^T G P,   dP = G P Theta^T + G^T P Theta,   dT = M o dTheta
    dgamma_i = cos t_i (q00 + q11) + sin t_i (q10 - q01),   dt_i = gamma_i (-sin t_i (q00 + q11) + cos t_i (q10 - q01))

theta = {log_P, T (n (n-1) / 2,) each, the entries above the diagonal; gamma, angle (n/2,), angle in radians}.

Source: arXiv 1905.12080; nnRNN/nnRNN_release, RNN_Cell.py, lines 92 to 224.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.errors import ConfigError
from npr.fields import one_of, whole, within
from npr.parametrizations.base import Plain
from npr.parametrizations.maps import map_for
from npr.parametrizations.skew import above_diagonal, block_entries, entries, skew, skew_backward, upper
from npr.parametrizations.skew_init import SKEWS, initial_skew
from npr.params import Array, Buffers, Params
from npr.registry import parametrizations


class SchurCache(NamedTuple):
    """Cache of the exponential, P and Theta (n, n), gamma and the cosines and sines of the angles (n/2,)."""

    expm: Any
    P: Array
    Theta: Array
    gamma: Array
    cos: Array
    sin: Array


@parametrizations.register("schur")
@dataclass(frozen=True)
class Schur(Plain):
    """W = P Theta P^T.

    Parameters
    ----------
    size : int
        n, the number of units; even.
    skew_init : str
        Key of `SKEWS`: the initial log_P. All block starts commute with Lambda and leave W = Lambda.
    mask : {"code", "paper"}
        Whether T also covers the entries (2i, 2i+1) inside the blocks, as the released code has it; then T can
        change the eigenvalues. With "paper" those entries of the vector do nothing and have a zero gradient.
    gamma_penalty : float
        Factor of sum (gamma - 1)^2, added to the loss.
    precision : {"float64", "float32"}
        Of all arithmetic and of W.

    Raises
    ------
    ConfigError
        If an option is outside its range or `size` is odd.
    """

    size: int
    skew_init: str = "henaff"
    mask: str = "code"
    gamma_penalty: float = 0.0
    precision: str = "float64"

    def __post_init__(self) -> None:
        whole("[1, 1e5]", size=self.size)
        if self.size % 2:
            raise ConfigError(f"size = {self.size} is not valid; the 2 x 2 blocks of 'schur' need an even number.")
        one_of(sorted(SKEWS), skew_init=self.skew_init)
        one_of(("code", "paper"), mask=self.mask)
        within("[0, 1e9]", gamma_penalty=self.gamma_penalty)
        one_of(("float64", "float32"), precision=self.precision)

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """log_P drawn as `skew_init` says, T = 0, gamma = 1, angle ~ U(0, 6.28); no buffers."""
        half = self.size // 2
        log_P = initial_skew(self.skew_init, rng, self.size)
        # The release takes 2 * 3.14 for a full turn; kept, so that its runs start from the same distribution.
        angle = rng.uniform(0, 6.28, half)
        return {"log_P": log_P, "T": np.zeros(entries(self.size)), "gamma": np.ones(half), "angle": angle}, {}

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, SchurCache]:
        """W (n, n) = P Theta P^T."""
        log_P = skew(theta["log_P"], self.size, self.precision)
        P, cache = map_for("expm", log_P).forward(log_P)
        gamma, angle = (theta[name].astype(self.precision) for name in ("gamma", "angle"))
        cos, sin = np.cos(angle), np.sin(angle)
        Theta = upper(self._masked(theta["T"]), self.size, self.precision)
        (t00, t01), (t10, t11) = self._blocks(Theta)
        t00 += gamma * cos
        t01 -= gamma * sin
        t10 += gamma * sin
        t11 += gamma * cos
        return P @ Theta @ P.T, SchurCache(cache, P, Theta, gamma, cos, sin)

    def backward(self, cache: SchurCache, dW: Array) -> Params:
        """Gradients of log_P, T, gamma and angle."""
        _, P, Theta, gamma, cos, sin = cache
        dW = dW.astype(self.precision, copy=False)
        dW_P = dW @ P
        dTheta = P.T @ dW_P
        dP = dW_P @ Theta.T + dW.T @ P @ Theta
        (q00, q01), (q10, q11) = self._blocks(dTheta)
        along, across = q00 + q11, q10 - q01
        return {
            "log_P": skew_backward(map_for("expm", dP).backward(cache.expm, dP)),
            "T": self._masked(above_diagonal(dTheta)),
            "gamma": cos * along + sin * across,
            "angle": gamma * (cos * across - sin * along),
        }

    def orthogonal(self, name: str) -> bool:
        """log_P."""
        return name == "log_P"

    def decays(self, name: str) -> bool:
        """T."""
        return name == "T"

    def penalty(self, theta: Params) -> tuple[float, Params]:
        """gamma_penalty sum (gamma - 1)^2."""
        if not self.gamma_penalty:
            return 0.0, {}
        away = theta["gamma"].astype(np.float64) - 1
        return self.gamma_penalty * float(away @ away), {"gamma": 2 * self.gamma_penalty * away}

    def _masked(self, vector: Array) -> Array:
        if self.mask == "code":
            return vector
        vector = vector.copy()
        vector[namespace(vector).asarray(block_entries(self.size))] = 0
        return vector

    def _blocks(self, matrix: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Views (n/2,) of the entries 00, 01 and 10, 11 of the 2 x 2 blocks."""
        flat, step = matrix.reshape(-1), 2 * (self.size + 1)
        return (flat[0::step], flat[1::step]), (flat[self.size :: step], flat[self.size + 1 :: step])
