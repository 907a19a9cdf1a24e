"""EURNN in plain complex NumPy, with the paper's numbering of units.

Source: arXiv 1612.05231, sections 4.1 and 4.2; jingli9111/EUNN-tensorflow for the modReLU with 0.01.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def block(n: int, p: int, q: int, theta: float, phi: float) -> Array:
    """The n x n rotation of units p and q, for column vectors."""
    R = np.eye(n, dtype=complex)
    turn = np.exp(1j * phi)
    R[p, p], R[p, q] = np.cos(theta), -np.sin(theta) * turn
    R[q, p], R[q, q] = np.sin(theta), np.cos(theta) * turn
    return R


def tunable(theta: tuple[Array, Array], phi: tuple[Array, Array], omega: Array) -> Array:
    """W (n, n) with y = W x: layers of pairs (2j, 2j+1) and (2j+1, 2j+2) in turn, then the phases omega."""
    n = len(omega)
    W = np.eye(n, dtype=complex)
    for layer in range(len(theta[0])):
        for j in range(n // 2):
            W = block(n, 2 * j, 2 * j + 1, theta[0][layer, j], phi[0][layer, j]) @ W
        for j in range(n // 2 - 1):
            W = block(n, 2 * j + 1, 2 * j + 2, theta[1][layer, j], phi[1][layer, j]) @ W
    return np.exp(1j * omega)[:, None] * W


def fft(theta: Array, phi: Array, omega: Array) -> Array:
    """W (n, n): layer i pairs units p and p + n / 2^(i+1) inside blocks of n / 2^i; angles at m 2^i + j."""
    n = len(omega)
    W = np.eye(n, dtype=complex)
    for i in range(n.bit_length() - 1):
        size = n >> i
        for j in range(1 << i):
            for m in range(size // 2):
                p, at = j * size + m, m * (1 << i) + j
                W = block(n, p, p + size // 2, theta[i, at], phi[i, at]) @ W
    return np.exp(1j * omega)[:, None] * W


def respond(a: Array, b: Array, real: bool) -> Array:
    """modReLU with r = |a| + 0.01."""
    r = np.abs(a) + 0.01
    top = np.maximum(r + b, 0)
    return np.sign(a.real) * top + 0j if real else a / r * top


def forward(x: Array, U: Array, W: Array, b: Array, h0: Array, real: bool, lengths: Array) -> Array:
    """States (T+1, B, n), complex."""
    rows = [h0]
    for t, x_t in enumerate(x):
        new = respond(x_t @ U + rows[-1] @ W.T, b, real)
        rows.append(np.where((t < lengths)[:, None], new, rows[-1]))
    return np.stack(rows)
