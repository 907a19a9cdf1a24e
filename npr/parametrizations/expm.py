"""The exponential of a skew-symmetric matrix and its exact gradient, from one real Schur form.

A = Q T Q^T with T tridiagonal and skew (Householder reduction); the even and the odd rows of T only meet each
other, in a bidiagonal matrix B = U diag(s) V^T of half the size. The pairs of columns e_k of Q_even U and o_k of
Q_odd V then span the planes in which A turns by the angle s_k, and with Z = [e_0 e_1 ... o_0 o_1 ...]

    A = Z [[0, S], [-S, 0]] Z^T,    W = exp(A) = Z [[C, N], [-N, C]] Z^T,    C = diag(cos s), N = diag(sin s).

With M the skew part of Z^T W^T G Z, the gradient is F = Z K Z^T, K = integral_0^1 e^{tA} M e^{-tA} dt in the basis
Z. A block of M over planes j and k is a rotation a + b J plus a reflection (c - d J) diag(1, -1), J = [[0, 1],
[-1, 0]]; e^{tA} turns the first by t (s_j - s_k) and the second by t (s_j + s_k), so K follows from M by

    a + i b  ->  psi(s_j - s_k) (a + i b),    c - i d  ->  psi(s_j + s_k) (c - i d),
    psi(x) = integral_0^1 e^{itx} dt = e^{ix/2} sin(x/2) / (x/2).

An odd n leaves one e without a partner: it gets a zero column as o, and the angle 0.

Source: Higham, Functions of Matrices (2008), sections 1.2 and 3; Ward and Gray, ACM TOMS 4 (1978), for the halves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import hessenberg

from npr.params import Array

# What decided, milliseconds of processor time for W + F in float64 with one BLAS thread (Zen 4), median of 5 to 15,
# A dense with a 1-norm of 12. Only the two that square depend on the norm, from 0.6 to 1.4 times these numbers.
#     n   this Schur form   Taylor 13, squared   Pade 13, squared   complex eigh of iA   this in float32
#    64      0.32 + 0.13        0.16 + 0.31         0.21 + 0.51        0.47 + 0.34         0.29 + 0.09
#   128      1.40 + 0.61        1.33 + 2.60         1.07 + 2.93        2.41 + 1.95         1.10 + 0.31
#   170      2.44 + 1.19        1.92 + 4.92         2.24 + 6.48        5.11 + 4.17         1.83 + 0.59
#   190      3.17 + 1.63        2.63 + 6.76         2.81 + 8.11        6.61 + 5.61         2.41 + 0.80
#   256      6.97 + 4.48        8.74 + 16.9         6.48 + 20.3        15.6 + 13.1         4.56 + 1.69
#   360      14.8 + 9.88        21.9 + 39.2         16.1 + 43.7        38.6 + 33.9         9.68 + 4.26
#   512      49.4 + 27.9        40.0 + 87.3         46.4 + 133         109 + 94.7          32.3 + 12.5


class ExpmCache(NamedTuple):
    """Planes of A (n, 2p), the same planes after W (n, 2p), and their angles in radians (p,); p = ceil(n / 2)."""

    planes: Array
    turned: Array
    angles: Array


def expm(A: Array) -> tuple[Array, ExpmCache]:
    """W = exp(A).

    Parameters
    ----------
    A : Array (n, n)
        Skew-symmetric and finite, float64 or float32.

    Returns
    -------
    W : Array (n, n)
        Orthogonal to rounding whatever the norm of A; dtype of A.
    cache : ExpmCache

    Raises
    ------
    np.linalg.LinAlgError
        If the singular values of B do not converge, which finite input has not been seen to do.
    """
    planes, angles = _planes(A)
    p = len(angles)
    e, o = planes[:, :p], planes[:, p:]
    cos, sin = np.cos(angles), np.sin(angles)
    turned = np.concatenate([e * cos - o * sin, e * sin + o * cos], axis=1)
    return turned @ planes.T, ExpmCache(planes, turned, angles)


def expm_backward(cache: ExpmCache, dW: Array) -> Array:
    """The skew part of dL/dA.

    Parameters
    ----------
    cache : ExpmCache
        Of `expm`.
    dW : Array (n, n)
        dL/dW with all entries taken as free.

    Returns
    -------
    Array (n, n)
        F with F^T = -F: the skew part of the adjoint of the Frechet derivative at A, applied to dW.
    """
    Z, p = cache.planes, len(cache.angles)
    M = cache.turned.T @ (dW @ Z)
    M = (M - M.T) / 4  # a half for the skew part, a half for the parts of each block
    ee, eo, oe, oo = M[:p, :p], M[:p, p:], M[p:, :p], M[p:, p:]
    rotation, reflection = (ee + oo) + 1j * (eo - oe), (ee - oo) - 1j * (eo + oe)
    half = cache.angles / 2
    rotation *= _psi(half, -half)
    reflection *= _psi(half, half)
    K = np.empty_like(M)
    K[:p, :p], K[:p, p:] = rotation.real + reflection.real, rotation.imag - reflection.imag
    K[p:, :p], K[p:, p:] = -rotation.imag - reflection.imag, rotation.real - reflection.real
    return Z @ K @ Z.T


def _planes(A: Array) -> tuple[Array, Array]:
    """Z (n, 2p) and the angles (p,)."""
    n = len(A)
    p, q = (n + 1) // 2, n // 2
    T, Q = hessenberg(A, calc_q=True, check_finite=False)
    off = (np.diagonal(T, 1) - np.diagonal(T, -1)) / 2
    B = np.zeros((p, q), A.dtype)
    np.fill_diagonal(B, off[0::2])
    np.fill_diagonal(B[1:], -off[1::2])
    U, s, Vt = np.linalg.svd(B)
    planes, angles = np.zeros((n, 2 * p), A.dtype), np.zeros(p, A.dtype)
    planes[:, :p] = Q[:, 0::2] @ U
    planes[:, p : p + q] = Q[:, 1::2] @ Vt.T
    angles[:q] = s
    return planes, angles


def _psi(left: Array, right: Array) -> Array:
    """psi(2 (left_j + right_k)), (p, p) complex."""
    # The sine is taken of the sum: for equal angles the imaginary part of the product is rounding noise.
    turn = np.outer(np.exp(1j * left), np.exp(1j * right))
    return turn * np.sinc((left[:, None] + right) / np.pi)
