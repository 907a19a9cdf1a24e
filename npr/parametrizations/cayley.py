"""The Cayley map of a skew-symmetric matrix, near the exponential for small ones, and its gradient.

    W = (I - A/2)^{-1} (I + A/2) = exp(A) + O(A^3),    F = (I + A/2)^{-1} G (I + W)^T / 2

No eigenvalue of W is -1, so that half turns are out of reach.

Source: Lezcano/geotorch, geotorch/so.py; the gradient follows from (I - A/2) dW = dA (I + W) / 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from npr.params import Array


class CayleyCache(NamedTuple):
    """LU factors and pivots of I - A/2, and W (n, n)."""

    factors: tuple[Array, Array]
    W: Array


def cayley(A: Array) -> tuple[Array, CayleyCache]:
    """W (n, n) and a cache, from a skew-symmetric A (n, n), which leaves I - A/2 no way to be singular."""
    left = np.eye(len(A), dtype=A.dtype) - A / 2
    factors = lu_factor(left, check_finite=False)
    W = np.ascontiguousarray(lu_solve(factors, left.T, check_finite=False))
    return W, CayleyCache(factors, W)


def cayley_backward(cache: CayleyCache, dW: Array) -> Array:
    """F = dL/dA (n, n), all entries taken as free, from dL/dW (n, n)."""
    return lu_solve(cache.factors, dW + dW @ cache.W.T, trans=1, check_finite=False) / 2
