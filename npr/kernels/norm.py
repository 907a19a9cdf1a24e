"""The passes of batch normalisation that cannot ride on a neighbouring kernel: per-step statistics, and sums
of a gradient that lies in memory. Rows whose sequence has ended count nowhere."""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.kernels.jit import parallel_kernel


@parallel_kernel
def step_sums(p, q, mask, lengths, sums):
    """sums (S, 2, T, N): sum over the valid rows of m * p and of m * p * q at every step; mask (S, R, N) or empty.

    Products are formed in double: float32 would lose the variance of units whose mean is large.
    """
    slices, times, rows, n = sums.shape[0], sums.shape[2], p.shape[2], p.shape[3]
    for s in prange(slices):
        sums[s] = 0
        for t in range(times):
            for i in range(rows):
                if t >= lengths[s, i]:
                    continue
                for j in range(n):
                    value = np.float64(p[s, t + 1, i, j])
                    if mask.shape[0]:
                        value *= mask[s, i, j]
                    sums[s, 0, t, j] += value
                    sums[s, 1, t, j] += value * q[s, t + 1, i, j]


@parallel_kernel
def step_affine(x, scale, shift, y):
    """y = scale_t * x + shift_t with scale, shift (T, N); x and y (S, T+1, R, N)."""
    for s in prange(x.shape[0]):
        for t in range(scale.shape[0]):
            for i in range(x.shape[2]):
                for j in range(x.shape[3]):
                    y[s, t + 1, i, j] = scale[t, j] * x[s, t + 1, i, j] + shift[t, j]


@parallel_kernel
def step_affine_backward(g, mask, lengths, x, gain, lean, offset):
    """In place g <- gain_t * (mask * g) + [step is valid] (lean_t * x + offset_t); gain, lean, offset (T, N)."""
    for s in prange(g.shape[0]):
        for t in range(gain.shape[0]):
            for i in range(g.shape[2]):
                valid = t < lengths[s, i]
                for j in range(g.shape[3]):
                    value = g[s, t + 1, i, j]
                    if mask.shape[0]:
                        value *= mask[s, i, j]
                    value *= gain[t, j]
                    if valid:
                        value += lean[t, j] * x[s, t + 1, i, j] + offset[t, j]
                    g[s, t + 1, i, j] = value
