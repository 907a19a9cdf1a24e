"""Products of all steps at once on a CUDA device: those of its array library, cuBLAS behind CuPy.

A device has one slice, (1, T + 1, R, C): its steps are a time-major batch. Deterministic: cuBLAS gives the same bits
for the same shapes on the same device, on one stream.
"""

from __future__ import annotations

import numpy as np


def value_of(x, mask, width):
    """The first K = width columns of x (1, T+1, R, >= K) at all steps, times the mask (1, R, K) or empty: (T, R, K)."""
    value = x[0, 1:, :, :width]
    return value * mask[0] if mask.shape[0] else value


def gate_of_batch(mask):
    """The mask (R, C) of the one slice, or an empty one."""
    return mask[0] if mask.shape[0] else mask.reshape(0, 0)


def multiply(a, w, out, add):
    """out (T, R, N) becomes (with add: gains) a (T, R, K) w (K, N)."""
    if add:
        out += (_matrix(a) @ w).reshape(out.shape)
    elif out.flags.c_contiguous:
        np.matmul(_matrix(a), w, out=_matrix(out))
    else:
        out[...] = (_matrix(a) @ w).reshape(out.shape)


def multiply_transposed(a, b, out):
    """out (K, N) gains the sum over steps of a (T, R, K)^T b (T, R, N)."""
    out += _matrix(a).T @ _matrix(b)


def _matrix(a):
    """(T, R, C) as (T R, C)."""
    return a.reshape(a.shape[0] * a.shape[1], a.shape[2])
