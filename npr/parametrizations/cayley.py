"""The Cayley map of a skew-symmetric matrix, near the exponential for small ones, and its gradient.

    W = (I - A/2)^{-1} (I + A/2) = exp(A) + O(A^3),    F = (I + A/2)^{-1} G (I + W)^T / 2

No eigenvalue of W is -1, so that half turns are out of reach. A device has the inverse R of I - A/2 instead of its
factors, and products instead of solutions:

    W = 2 R - I,    F = R^T G R^T

The singular values of I - A/2 are sqrt(1 + s^2/4) with s from the eigenvalues i s of A: its condition number is about
half the largest s, and neither way loses more digits than that.

Source: Lezcano/geotorch, geotorch/so.py; the gradient follows from (I - A/2) dW = dA (I + W) / 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from npr.arrays import namespace
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


def cayley_by_inverse(A: Array) -> tuple[Array, Array]:
    """W and R (n, n), from a skew-symmetric A (n, n) on a device."""
    unit = namespace(A).eye(len(A))
    R = np.linalg.inv(unit - A / 2)
    return 2 * R - unit, R


def cayley_by_inverse_backward(R: Array, dW: Array) -> Array:
    """F = dL/dA (n, n), all entries taken as free, from dL/dW (n, n)."""
    return R.T @ dW @ R.T
