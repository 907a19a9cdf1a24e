"""Time-major batches (T, B, F) to slices (S, T+1, R, F) and back, on all threads; its CUDA twin belongs here.

A large array moves as fast as memory allows only if every thread moves a part of it, fresh pages above all.
"""

from __future__ import annotations

from numba import prange

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
