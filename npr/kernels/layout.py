"""Time-major batches (T, B, F) to slices (S, T+1, R, F) and back, on all threads; its CUDA twin belongs here.

A large array moves as fast as memory allows only if every thread moves a part of it, fresh pages above all.
"""

from __future__ import annotations

from numba import prange

from npr.kernels.jit import parallel_kernel


@parallel_kernel
def split(x, lengths, out):
    """out (S, T+1, R, F) <- x (T, B, F), zero in row 0 of time and after the end of a sequence; lengths (S, R)."""
    slices, rows = lengths.shape
    for s in prange(slices):
        out[s, 0] = 0
        for t in range(x.shape[0]):
            for r in range(rows):
                if t < lengths[s, r]:
                    out[s, t + 1, r] = x[t, s * rows + r]
                else:
                    out[s, t + 1, r] = 0


@parallel_kernel
def join(x, lengths, out):
    """out (T, B, F) <- x (S, T+1, R, F) without row 0 of time, zero after the end of a sequence; lengths (S, R)."""
    slices, rows = lengths.shape
    for s in prange(slices):
        for t in range(out.shape[0]):
            for r in range(min(rows, out.shape[1] - s * rows)):
                if t < lengths[s, r]:
                    out[t, s * rows + r] = x[s, t + 1, r]
                else:
                    out[t, s * rows + r] = 0
