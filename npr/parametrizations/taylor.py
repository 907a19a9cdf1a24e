"""The exponential of a skew-symmetric matrix and its gradient by matrix products alone, for a device.

    W = exp(A) = T(A / 2^s)^(2^s),    F = L(A^T, G),    L(A, E) = d/dt exp(A + t E) at t = 0,

T the Taylor polynomial of degree 18 in five products, and s so that ||A / 2^s|| <= 1 in the 2-norm. L comes out of the
same products made of pairs, (X, dX) (Y, dY) = (X Y, X dY + dX Y): those of the block matrix [[A, E], [0, A]].

Error, without rounding: A is normal and its eigenvalues are imaginary, on which the remainder of T and its divided
differences are at most 1/19! and 1/18!. So W is off by at most 2^s / 19! = 2^s 8e-18 in the 2-norm, and F by
(2^s / 19! + 1/18!) ||G|| in the Frobenius norm; 1/18! = 1.6e-16. Every squaring doubles what rounding has left, so that
both errors grow with the largest angle, as the conditioning of the exponential does.

Source: Bader, Blanes and Casas, Mathematics 7, 1174 (2019), eq. 15 to 17 for T; Higham, Functions of Matrices (2008),
section 3.1 and eq. 3.16 for L and its adjoint.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.errors import DivergedError
from npr.params import Array

# With the rows times I, X, X^2, X^3, X^6 as B1 to B5: T = B2 + (B3 + Y) Y, Y = B1 B5 + B4.
ROWS = np.array(
    [
        [0, -0.10036558103014462001, -0.00802924648241156960, -0.00089213849804572995, 0],
        [0, 0.39784974949964507614, 1.36783778460411719922, 0.49828962252538267755, -0.00063789819459472330],
        [
            *(-10.9676396052962062593, 1.68015813878906197182, 0.05717798464788655127),
            *(-0.00698210122488052084, 0.00003349750170860705),
        ],
        [
            *(-0.09043168323908105619, -0.06764045190713819075, 0.06759613017704596460),
            *(0.02955525704293155274, -0.00001391802575160607),
        ],
        [0, 0, -0.09233646193671185927, -0.01693649390020817171, -0.00001400867981820361],
    ]
)
POWERS = np.array([0, 1, 2, 3, 6])


class TaylorCache(NamedTuple):
    """A (n, n) and s."""

    A: Array
    squarings: int


def expm(A: Array) -> tuple[Array, TaylorCache]:
    """W = exp(A) with the library of A; waits once for the device, for one number.

    Parameters
    ----------
    A : Array (n, n)
        Skew-symmetric, float64.

    Returns
    -------
    W : Array (n, n)
    cache : TaylorCache

    Raises
    ------
    DivergedError
        If A holds NaN or infinity, or angles above 1e25 radians.
    """
    W, squarings = _exponential(A[None])
    return W[0], TaylorCache(A, squarings)


def expm_backward(cache: TaylorCache, dW: Array) -> Array:
    """The skew part of dL/dA (n, n), the adjoint of the derivative at A, from dL/dW (n, n), all entries free."""
    pair = namespace(dW).stack([cache.A.T, dW])
    F = _exponential(pair, cache.squarings)[0][1]
    return (F - F.T) / 2


def _exponential(X: Array, squarings: int | None = None) -> tuple[Array, int]:
    """exp(A) of A (1, n, n), or exp(A) and L(A, E) of the pair (2, n, n), in the shape of X; and s."""
    xp = namespace(X)
    unit = xp.zeros_like(X)
    unit[0] = xp.eye(X.shape[1])
    X2 = _times(X, X)
    X3 = _times(X2, X)
    X6 = _times(X3, X3)
    s = _squarings(X6[0]) if squarings is None else squarings
    rows = xp.asarray(ROWS * 2.0 ** (-s * POWERS))
    B1, B2, B3, B4, B5 = xp.tensordot(rows, xp.stack([unit, X, X2, X3, X6]), 1)
    Y = _times(B1, B5) + B4
    W = B2 + _times(B3 + Y, Y)
    for _ in range(s):
        W = _times(W, W)
    return W, s


def _times(X: Array, Y: Array) -> Array:
    """X Y of matrices (1, n, n), or (X Y, X dY + dX Y) of pairs (2, n, n)."""
    product = (X.reshape(-1, X.shape[2]) @ Y[0]).reshape(X.shape)
    if len(X) == 2:
        product[1] += X[0] @ Y[1]
    return product


def _squarings(A6: Array) -> int:
    """The least s >= 0 with ||A|| <= 2^s, as far as A^6 tells: its eigenvalues come in pairs -x^6, so that in the
    Frobenius norm max x^6 <= ||A^6|| / sqrt(2)."""
    bound = float(np.linalg.norm(A6)) ** (1 / 6) * 2 ** (-1 / 12)
    if not math.isfinite(bound):
        raise DivergedError("Training diverged: the exponential of a skew-symmetric matrix has no finite powers.")
    return max(0, math.ceil(math.log2(bound))) if bound > 1 else 0
