"""The gradient of looked-up rows: each is the sum over all places that show its symbol."""

from __future__ import annotations

from npr.arrays import namespace
from npr.kernels.cuda_target import cuda, cuda_kernel, real
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


@cuda_kernel
def add_places(order, starts, g, out):
    """out (V, E) <- sums of the rows of g (P, E) that show a symbol, order[starts[v]:starts[v + 1]] of symbol v."""
    p = cuda.grid(1)
    size, width = out.shape
    if p < size * width:
        v = p // width
        j = p - v * width
        total, begin, end = real(0), starts[v], starts[v + 1]
        for start in range(begin, end, 64):
            part = real(0)
            for k in range(start, min(start + 64, end)):
                part += g[order[k], j]
            total += part
        out[v, j] = total


class Device:
    """The same on a CUDA device: the places of each symbol side by side, in the order of time, and a thread for each
    entry of the gradient. No sum depends on which thread comes first."""

    @staticmethod
    def scatter_add(symbols, lengths, gx, out):
        """`scatter_add`; sums in the type of gx, of at most 64 at once."""
        xp, (size, width) = namespace(gx), out.shape
        ended = xp.arange(symbols.shape[1])[:, None] >= lengths[0]
        shown = xp.where(ended, size, symbols[0]).ravel()
        order = xp.argsort(shown, kind="stable")
        starts = xp.searchsorted(shown[order], xp.arange(size + 1))
        found = xp.empty((size, width), gx.dtype)
        rows = gx[0, 1:].reshape(shown.size, gx.shape[3])
        add_places.each(size * width, gx.dtype)(order, starts, rows, found)
        out += found
