"""Time-major batches (T, B, F) to slices (S, T+1, R, F) and back, on all threads, and slices as matrices.

A large array moves as fast as memory allows only if every thread moves a part of it, fresh pages above all.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.jit import inline, parallel_kernel


@inline
def _copy(source, target):
    """target <- source, both (M,): a loop becomes one call of memcpy, assignment to a slice does not."""
    for j in range(source.shape[0]):
        target[j] = source[j]


@parallel_kernel
def split(x, lengths, out):
    """out (S, T+1, R, F) <- x (T, B, F), zero in row 0 of time and after the end of a sequence; lengths (S, R)."""
    slices, rows = lengths.shape
    width = x.shape[2]
    for s in prange(slices):
        out[s, 0] = 0
        shortest = lengths[s].min()
        for t in range(x.shape[0]):
            step = out[s, t + 1]
            # While no sequence has ended a step is one line.
            if t < shortest:
                _copy(x[t, s * rows : (s + 1) * rows].reshape(rows * width), step.reshape(rows * width))
                continue
            for r in range(rows):
                if t < lengths[s, r]:
                    _copy(x[t, s * rows + r], step[r])
                else:
                    step[r] = 0


@parallel_kernel
def join(x, lengths, out):
    """out (T, B, F) <- x (S, T+1, R, F) without row 0 of time, zero after the end of a sequence; lengths (S, R)."""
    slices, rows = lengths.shape
    width = x.shape[3]
    for s in prange(slices):
        shortest = lengths[s].min()
        held = min(rows, out.shape[1] - s * rows)
        for t in range(out.shape[0]):
            if t < shortest:
                _copy(x[s, t + 1].reshape(rows * width), out[t, s * rows : (s + 1) * rows].reshape(rows * width))
                continue
            for r in range(held):
                if t < lengths[s, r]:
                    _copy(x[s, t + 1, r], out[t, s * rows + r])
                else:
                    out[t, s * rows + r] = 0


@inline
def masked_tile(x, mask, t0, steps, scratch):
    """First K columns of x for a tile of steps, multiplied by the mask (R, K) where there is one."""
    rows, width = scratch.shape[0] // steps, scratch.shape[1]
    first = (t0 + 1) * rows
    if mask.shape[0] == 0:
        return x[first : first + steps * rows, :width]
    for t in range(steps):
        for i in range(rows):
            for k in range(width):
                scratch[t * rows + i, k] = x[first + t * rows + i, k] * mask[i, k]
    return scratch[:, :width]


@inline
def rows_of(buffer):
    """One slice (T+1, R, C) as a matrix ((T+1) * R, C)."""
    return buffer.reshape(buffer.shape[0] * buffer.shape[1], buffer.shape[2])


@inline
def gate_of(mask, s, width):
    """Mask (R, K) of one slice, or an empty array where there is none."""
    return mask[s] if mask.shape[0] else np.empty((0, width), mask.dtype)


@cuda_kernel
def copy_valid(x, lengths, out):
    """out (T, R, F) <- x (T, R, F), zero after the end of a sequence; one thread for each entry."""
    p = cuda.grid(1)
    times, rows, width = x.shape
    if p < times * rows * width:
        t = p // (rows * width)
        i = (p - t * rows * width) // width
        k = p % width
        out[t, i, k] = x[t, i, k] if t < lengths[i] else real(0)


class Device:
    """The same on a CUDA device, where a slice is a batch."""

    @staticmethod
    def split(x, lengths, out):
        """`split`."""
        out[0, 0] = 0
        copy_valid.each(x.size, x.dtype)(x, lengths[0], out[0, 1:])

    @staticmethod
    def join(x, lengths, out):
        """`join`."""
        copy_valid.each(out.size, x.dtype)(x[0, 1:], lengths[0], out)
