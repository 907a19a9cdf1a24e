"""The gradient of looked-up rows: each is the sum over all places that show its symbol."""

from __future__ import annotations

from npr.kernels.jit import kernel


@kernel
def scatter_add(symbols, lengths, gx, out):
    """out (V, E), in double, gains the rows of gx (S, T+1, R, E) at symbols (S, T, R), within lengths (S, R).

    Sequential, so that the order of every sum is fixed: a pass over gx is bound by memory, and other kernels of the
    same update read as much several times. The last steps come first, so that sums can go on from one stretch of a
    sequence to the one before it.
    """
    slices, times, rows = symbols.shape
    for t in range(times - 1, -1, -1):
        for s in range(slices):
            for i in range(rows):
                if t >= lengths[s, i]:
                    continue
                row = symbols[s, t, i]
                for j in range(out.shape[1]):
                    out[row, j] += gx[s, t + 1, i, j]
