"""The dense recurrence of `dense.py` on a CUDA device with W_rec spread over blocks; how, is told in `spread.py`.

Both kernels take the steps from `begin` to `end`, counted in the order in which they are computed.
"""

from __future__ import annotations

from npr.arrays import namespace
from npr.kernels.activations import activated, slope_of
from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.rotate import thread_and_threads
from npr.kernels.spread import ROWS, corner, found, hold, meet, multiply_rows, place


@cuda_kernel
def spread_states(a, bias, w, offset, code, lengths, h, begin, end, units, blocks, height, slices, counters):
    """h (T+1, R, N) from its row 0 on, from a (T, R, N) and w = W_rec (1, N, N)."""
    start, step = thread_and_threads()
    group, first, row = corner(units, blocks, height)
    rows, n = bias.shape
    shared = cuda.shared.array(0, real)
    hold(w, first, units, slices, shared)
    for t in range(begin, end):
        if t > begin:
            meet(counters, group, (t - begin) * blocks)
        for row0 in range(row, min(rows, row + height), ROWS):
            multiply_rows(h[t : t + 1], 1, n, row0, units, slices, shared)
            for p in range(start, ROWS * units, step):
                r, c, i, j = place(p, units, row0, first)
                if i < rows and j < n:
                    pre = a[t, i, j] + bias[i, j] + found(n, units, slices, shared, r, c)
                    h[t + 1, i, j] = activated(code, pre, offset[i, j]) if t < lengths[i] else h[t, i, j]


@cuda_kernel
def spread_deltas(
    g, heard, gate, w, offset, code, lengths, h, delta, carry, begin, end, units, blocks, height, slices, counters
):
    """delta (T, R, N) from g (T, R, N) times the gate (R, N) or empty, zero before step `heard`, with w = W_rec^T.

    carry (R, N) is dL/dh_T from outside and becomes dL/dh_0, for which there is a step more.
    """
    start, step = thread_and_threads()
    group, first, row = corner(units, blocks, height)
    times, rows, n = delta.shape
    shared = cuda.shared.array(0, real)
    hold(w, first, units, slices, shared)
    for q in range(begin, end):
        t = times - 1 - q
        if q > begin:
            meet(counters, group, (q - begin) * blocks)
        for row0 in range(row, min(rows, row + height), ROWS):
            if q > 0:
                multiply_rows(delta[t + 1 : t + 2], 1, n, row0, units, slices, shared)
            for p in range(start, ROWS * units, step):
                r, c, i, j = place(p, units, row0, first)
                if i < rows and j < n:
                    if t + 1 < times and t + 1 < lengths[i]:
                        carry[i, j] = found(n, units, slices, shared, r, c)
                    if t >= 0:
                        d = carry[i, j]
                        if t >= heard:
                            d += g[t, i, j] * gate[i, j] if gate.shape[0] else g[t, i, j]
                        delta[t, i, j] = slope_of(code, d, h[t + 1, i, j]) if t < lengths[i] else real(0)


def all_states(spread, a, bias, w, scan, h):
    """`spread_states` for a batch; w (N, N)."""
    arguments = a, bias, w[None], scan.offset, scan.activation, scan.lengths[0], h
    spread.run(namespace(h), spread_states, True, len(a), arguments, h.dtype)


def all_deltas(spread, g, heard, gate, w, scan, h, delta, carry):
    """`spread_deltas` for a batch; w (N, N)."""
    arguments = g, heard, gate, w[None], scan.offset, scan.activation, scan.lengths[0], h, delta, carry
    spread.run(namespace(h), spread_deltas, False, len(delta) + 1, arguments, h.dtype)
