"""The passes of batch normalisation that cannot ride on a neighbouring kernel: per-step statistics, and sums
of a gradient that lies in memory. Rows whose sequence has ended count nowhere."""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import product
from npr.kernels.cuda_target import cuda, cuda_kernel
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


@cuda_kernel
def scale_steps(x, scale, shift, y):
    """y (T, R, N) = scale_t * x + shift_t, one thread for each entry; scale and shift (T, N)."""
    p = cuda.grid(1)
    times, rows, n = x.shape
    if p < times * rows * n:
        t = p // (rows * n)
        i = (p - t * rows * n) // n
        j = p % n
        y[t, i, j] = scale[t, j] * x[t, i, j] + shift[t, j]


@cuda_kernel
def scale_steps_backward(g, mask, lengths, x, gain, lean, offset):
    """In place g (T, R, N) <- gain_t * (mask * g) + [step is valid] (lean_t * x + offset_t), one thread an entry."""
    p = cuda.grid(1)
    times, rows, n = x.shape
    if p < times * rows * n:
        t = p // (rows * n)
        i = (p - t * rows * n) // n
        j = p % n
        value = g[t, i, j]
        if mask.shape[0]:
            value *= mask[i, j]
        value *= gain[t, j]
        if t < lengths[i]:
            value += lean[t, j] * x[t, i, j] + offset[t, j]
        g[t, i, j] = value


class Device:
    """The same on a CUDA device."""

    @staticmethod
    def step_sums(p, q, mask, lengths, sums):
        """`step_sums`, a step at a time: in double all of them would take twice the memory of the states."""
        xp, n = namespace(p), sums.shape[3]
        valid = lengths[0] > xp.arange(sums.shape[2])[:, None]
        factor = valid[..., None] * mask[0] if mask.shape[0] else valid[..., None]
        for t in range(sums.shape[2]):
            value = factor[t] * p[0, t + 1, :, :n].astype(np.float64)
            sums[0, 0, t] = value.sum(0)
            sums[0, 1, t] = (value * q[0, t + 1, :, :n]).sum(0)

    @staticmethod
    def step_affine(x, scale, shift, y):
        """`step_affine`."""
        scale_steps.each(x[0, 1:].size, x.dtype)(x[0, 1:], scale, shift, y[0, 1:])

    @staticmethod
    def step_affine_backward(g, mask, lengths, x, gain, lean, offset):
        """`step_affine_backward`."""
        gate = product.gate_of_batch(mask)
        above = g[0, 1:]
        scale_steps_backward.each(above.size, g.dtype)(above, gate, lengths[0], x[0, 1:], gain, lean, offset)
