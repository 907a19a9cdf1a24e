"""The recurrences of `lstm.py` and `gru.py` on a CUDA device with W_rec spread over blocks; how, is told in
`spread.py`. A block makes all gates of its units, so that only h and the deltas pass from block to block.

Not here, since they wait twice a step: the peephole of an LSTM, the GRU with the reset before the product. The kernels
take the steps from `begin` to `end`, counted in the order in which they are computed.
"""

from __future__ import annotations

from npr.arrays import namespace
from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.gate_slopes import arriving, squashed, through_cell, through_mix, through_output, through_reset
from npr.kernels.pointwise import tanh
from npr.kernels.rotate import thread_and_threads
from npr.kernels.spread import ROWS, corner, found, hold, meet, multiply_rows, place


@cuda_kernel
def spread_lstm(gates, bias, w, lengths, h, c, begin, end, units, blocks, height, slices, counters):
    """Gates (T, R, 4N) in the place of x W_in, h and c (T+1, R, N) from row 0 on, with w = W_rec (4, N, N)."""
    start, step = thread_and_threads()
    group, first, row = corner(units, blocks, height)
    rows, n = h.shape[1:]
    shared = cuda.shared.array(0, real)
    hold(w, first, units, slices, shared)
    for t in range(begin, end):
        if t > begin:
            meet(counters, group, (t - begin) * blocks)
        for row0 in range(row, min(rows, row + height), ROWS):
            multiply_rows(h[t : t + 1], 1, n, row0, 4 * units, slices, shared)
            for p in range(start, ROWS * units, step):
                r, u, i, j = place(p, units, row0, first)
                if i < rows and j < n:
                    for q in range(4):
                        k = q * n + j
                        a = gates[t, i, k] + bias[i, k] + found(n, 4 * units, slices, shared, r, q * units + u)
                        gates[t, i, k] = tanh(a) if q == 2 else squashed(a)
                    now, before = gates[t, i], c[t, i, j]
                    cell = now[n + j] * before + now[j] * now[2 * n + j] if t < lengths[i] else before
                    c[t + 1, i, j] = cell
                    h[t + 1, i, j] = now[3 * n + j] * tanh(cell) if t < lengths[i] else h[t, i, j]


@cuda_kernel
def spread_lstm_deltas(
    g, heard, mask, w, lengths, gates, c, delta, dh, dc, begin, end, units, blocks, height, slices, counters
):
    """delta (T, R, 4N) from g (T, R, N) times the mask, nothing before step `heard`, with w = W_rec^T (1, 4N, N).

    dh and dc (R, N) are dL/dh_T and dL/dc_T from outside and become those of step 0; dh needs a step more.
    """
    start, step = thread_and_threads()
    group, first, row = corner(units, blocks, height)
    times, (rows, n) = gates.shape[0], dh.shape
    shared = cuda.shared.array(0, real)
    hold(w, first, units, slices, shared)
    for q in range(begin, end):
        t = times - 1 - q
        if q > begin:
            meet(counters, group, (q - begin) * blocks)
        for row0 in range(row, min(rows, row + height), ROWS):
            if q > 0:
                multiply_rows(delta[t + 1 : t + 2], 1, 4 * n, row0, units, slices, shared)
            for p in range(start, ROWS * units, step):
                r, u, i, j = place(p, units, row0, first)
                if i < rows and j < n:
                    if t + 1 < times and t + 1 < lengths[i]:
                        dh[i, j] = found(4 * n, units, slices, shared, r, u)
                    if 0 <= t < lengths[i]:
                        now, errors = gates[t, i], delta[t, i]
                        above = dh[i, j] + arriving(g[t], mask, i, j, t < heard)
                        errors[3 * n + j], gained = through_output(now[3 * n + j], tanh(c[t + 1, i, j]), above)
                        cell, f = dc[i, j] + gained, now[n + j]
                        d_i, d_f, d_g = through_cell(now[j], f, now[2 * n + j], c[t, i, j], cell)
                        errors[j], errors[n + j], errors[2 * n + j] = d_i, d_f, d_g
                        dc[i, j] = cell * f
                    elif t >= 0:
                        for k in range(4):
                            delta[t, i, k * n + j] = real(0)


@cuda_kernel
def spread_gru(gates, bias, w, lengths, h, begin, end, units, blocks, height, slices, counters):
    """Gates (4, T, R, N), r, z, n in the place of x W_in and m, and h (T+1, R, N) from row 0 on, with the reset after
    the product; w = W_rec (3, N, N), bias (4, R, N)."""
    start, step = thread_and_threads()
    group, first, row = corner(units, blocks, height)
    rows, n = h.shape[1:]
    shared = cuda.shared.array(0, real)
    hold(w, first, units, slices, shared)
    for t in range(begin, end):
        if t > begin:
            meet(counters, group, (t - begin) * blocks)
        for row0 in range(row, min(rows, row + height), ROWS):
            multiply_rows(h[t : t + 1], 1, n, row0, 3 * units, slices, shared)
            for p in range(start, ROWS * units, step):
                r, u, i, j = place(p, units, row0, first)
                if i < rows and j < n:
                    before = h[t, i, j]
                    m = found(n, 3 * units, slices, shared, r, 2 * units + u) + bias[3, i, j]
                    reset = squashed(gates[0, t, i, j] + bias[0, i, j] + found(n, 3 * units, slices, shared, r, u))
                    a = gates[1, t, i, j] + bias[1, i, j] + found(n, 3 * units, slices, shared, r, units + u)
                    keep = squashed(a)
                    new = tanh(gates[2, t, i, j] + bias[2, i, j] + reset * m)
                    gates[0, t, i, j], gates[1, t, i, j], gates[2, t, i, j], gates[3, t, i, j] = reset, keep, new, m
                    h[t + 1, i, j] = new + keep * (before - new) if t < lengths[i] else before


@cuda_kernel
def spread_gru_deltas(
    g, heard, mask, w, lengths, gates, h, delta, dh, begin, end, units, blocks, height, slices, counters
):
    """delta (4, T, R, N) of r, z, n and e from g (T, R, N) times the mask, nothing before step `heard`, with
    w = W_rec^T (1, 3N, N). dh (R, N) is dL/dh_T from outside and becomes dL/dh_0, for which there is a step more."""
    start, step = thread_and_threads()
    group, first, row = corner(units, blocks, height)
    times, (rows, n) = delta.shape[1], dh.shape
    shared = cuda.shared.array(0, real)
    hold(w, first, units, slices, shared)
    for q in range(begin, end):
        t = times - 1 - q
        if q > begin:
            meet(counters, group, (q - begin) * blocks)
        for row0 in range(row, min(rows, row + height), ROWS):
            if q > 0:
                # The errors of n reach h through e alone.
                multiply_rows(delta[:, t + 1], 2, 3 * n, row0, units, slices, shared)
            for p in range(start, ROWS * units, step):
                r, u, i, j = place(p, units, row0, first)
                if i < rows and j < n:
                    if t + 1 < times and t + 1 < lengths[i]:
                        dh[i, j] += found(3 * n, units, slices, shared, r, u)
                    if 0 <= t < lengths[i]:
                        above, reset, keep = (
                            dh[i, j] + arriving(g[t], mask, i, j, t < heard),
                            gates[0, t, i, j],
                            gates[1, t, i, j],
                        )
                        d_z, d_n = through_mix(keep, gates[2, t, i, j], h[t, i, j], above)
                        delta[1, t, i, j], delta[2, t, i, j], delta[3, t, i, j] = d_z, d_n, d_n * reset
                        delta[0, t, i, j] = through_reset(d_n, gates[3, t, i, j], reset)
                        dh[i, j] = above * keep
                    elif t >= 0:
                        for k in range(4):
                            delta[k, t, i, j] = real(0)


def lstm_states(spread, gates, bias, w, lengths, h, c):
    """`spread_lstm` for a batch; w (N, 4N)."""
    n = len(w)
    arguments = gates, bias, w.reshape(n, 4, n).transpose(1, 0, 2), lengths, h, c
    spread.run(namespace(h), spread_lstm, True, len(gates), arguments, h.dtype)


def lstm_deltas(spread, g, heard, mask, w, lengths, gates, c, delta, dh, dc):
    """`spread_lstm_deltas` for a batch; w (4N, N)."""
    arguments = g, heard, mask, w[None], lengths, gates, c, delta, dh, dc
    spread.run(namespace(dh), spread_lstm_deltas, False, len(gates) + 1, arguments, dh.dtype)


def gru_states(spread, gates, bias, w, lengths, h):
    """`spread_gru` for a batch; w (3, N, N)."""
    spread.run(namespace(h), spread_gru, True, gates.shape[1], (gates, bias, w, lengths, h), h.dtype)


def gru_deltas(spread, g, heard, mask, w, lengths, gates, h, delta, dh):
    """`spread_gru_deltas` for a batch; w (3, N, N)."""
    n = w.shape[-1]
    arguments = g, heard, mask, w.reshape(1, 3 * n, n), lengths, gates, h, delta, dh
    spread.run(namespace(dh), spread_gru_deltas, False, delta.shape[1] + 1, arguments, dh.dtype)
