"""A layer of the elementwise recurrence of `scan.py`: the product that drives it and the scan, in one pass.

All activations are slice-major, (S, T + 1, R, C): S independent slices of R batch rows. Row 0 of the time axis
holds the initial state, and in a gradient its gradient. A thread takes one slice through all steps, so no step
waits for another thread, and sums are kept per slice and combined in slice order: the bits do not depend on the
number of threads. Inside a slice time goes in tiles that stay in the second-level cache.

On a CUDA device there is one slice, which is time-major then, and the product of all steps is one.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import product
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.layout import gate_of, masked_tile, rows_of
from npr.kernels.narrow import add_rows, gather, lines_for, scatter, widened
from npr.kernels.scan import (
    Scan,
    Upstream,
    add_moments,
    scan_back_on,
    scan_on,
    scan_tile,
    scan_tile_backward,
    silence,
)
from npr.kernels.tile import multiply, multiply_far, multiply_transposed


@parallel_kernel
def layer_forward(x, mask, panels, bias, scan, stream, add, h, column, sums):
    """h = scan((mask * x) W + bias) into columns of h (S, T+1, R, C); sums (S, 2, N) or empty gets the moments.

    x (S, T+1, R, >= K) with K = panels.shape[1], mask (S, R, K) or empty, bias (S, R, N) for every batch row. A stream
    (S, T+1, R, N), if not empty, receives (with add: gains) the product first, and scan(stream + bias) is taken.
    """
    slices, times, rows, n = x.shape[0], x.shape[1] - 1, x.shape[2], bias.shape[2]
    width = panels.shape[1]
    for s in prange(slices):
        a = np.empty((scan.steps * rows, n), x.dtype)
        lines, line = lines_for(scan.steps, rows, n, False, x), rows * n
        wide = Scan(widened(scan.u, rows), scan.lengths, scan.activation, scan.steps, scan.step_clip)
        tile_sums = np.empty(2 * line, x.dtype)
        line_sums = np.zeros((2, line))
        scratch = np.empty((scan.steps * rows, width), x.dtype)
        x_rows, h_rows, gate = rows_of(x[s]), rows_of(h[s]), gate_of(mask, s, width)
        length = scan.lengths[s]
        shortest = length.min()
        if sums.shape[0]:
            sums[s] = 0
        for t0 in range(0, times, scan.steps):
            steps = min(scan.steps, times - t0)
            tile = a[: steps * rows]
            if stream.shape[0]:
                tile = rows_of(stream[s])[(t0 + 1) * rows : (t0 + 1 + steps) * rows]
            multiply_far(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), panels, tile, add)
            # One call of each for both forms: LLVM would compile two copies.
            along = lines.states.shape[0] > 0 and t0 + steps <= shortest
            part, states, first, span, began, known = scan, h_rows, column, rows, t0, length
            shift, total = bias[s], tile_sums[: 2 * n].reshape(2, n)
            if along:
                part, states, first, span, began, known = wide, lines.states[: steps + 1], 0, 1, 0, lines.length
                gather(h_rows, t0 * rows, column, states[:1], n)
                tile, shift, total = tile.reshape(steps, line), shift.reshape(1, line), tile_sums.reshape(2, line)
            scan_tile(tile, shift, part, states, first, began, known)
            if sums.shape[0]:
                into = line_sums if along else sums[s]
                add_moments(states, first, span, began, steps, known, total, into)
            if along:
                scatter(states[1:], h_rows, (t0 + 1) * rows, column, n)
        if sums.shape[0]:
            add_rows(line_sums[0], sums[s, 0])
            add_rows(line_sums[1], sums[s, 1])


@parallel_kernel
def layer_backward(
    x, mask, panels, scan, h, column, g, g_column, up, stream, stream_add, gx, add, dw, row_sums, du, carry
):
    """Backward of `layer_forward`, one pass over time for every gradient.

    g (S, T+1, R, >= N) holds dL/d(what was made of h), columns from g_column on, and stays as it is unless gx is
    the same array. panels hold W^T; gx (S, T+1, R, >= K) or empty receives (with add: gains) delta W^T.
    dw (S, K, N) gains sum (mask * x)^T delta, row_sums (S, R, N) sum_t delta, du (S, 1, N), of less than `narrow.WIDE`
    units (S, R, N), sum delta * h_{t-1}; carry (S, R, N) is dL/dh_T from outside and becomes dL/dh_0. A stream
    (S, T+1, R, N), if not empty, receives (with stream_add: gains) delta and stands for it in gx, dw and row_sums.
    """
    slices, times, rows, n = x.shape[0], x.shape[1] - 1, x.shape[2], row_sums.shape[2]
    width = dw.shape[1]
    tiles = -(-times // scan.steps)
    for s in prange(slices):
        delta = np.empty((scan.steps * rows, n), x.dtype)
        scratch = np.empty((scan.steps * rows, width), x.dtype)
        lines, line = lines_for(scan.steps, rows, n, True, x), rows * n
        wide = Scan(widened(scan.u, rows), scan.lengths, scan.activation, scan.steps, scan.step_clip)
        wide_up = Upstream(up.gain, widened(up.lean, rows), widened(up.offset, rows), 0)
        x_rows, h_rows, g_rows = rows_of(x[s]), rows_of(h[s]), rows_of(g[s])
        gate, gain = gate_of(mask, s, width), gate_of(up.gain, s, n)
        length, own_sums = scan.lengths[s], row_sums[s, : 0 if stream.shape[0] else rows]
        shortest = length.min()
        for q in range(tiles):
            t0 = (tiles - 1 - q) * scan.steps
            steps = min(scan.steps, times - t0)
            first = (t0 + 1) * rows
            tile = delta[: steps * rows]
            silence(g_rows, g_column, n, first, min(max(up.first - t0, 0), steps) * rows)
            part, source, states, at, known = scan, g_rows, h_rows, (first, g_column, column, t0), length
            slope, weight, back, errors, total, d_u = up, gain, carry[s], tile, own_sums, du[s]
            if lines.states.shape[0] and t0 + steps <= shortest:
                part, source, states, at, known = wide, lines.above, lines.states, (0, 0, 0, 0), lines.length
                gather(h_rows, t0 * rows, column, states[: steps + 1], n)
                gather(g_rows, first, g_column, source[:steps], n)
                slope, weight, back = wide_up, gain.reshape(gain.size // line, line), carry[s].reshape(1, line)
                errors, total = tile.reshape(steps, line), own_sums.reshape(own_sums.size // line, line)
                d_u = du[s].reshape(1, line)
            scan_tile_backward(
                source, at[0], at[1], slope, weight, part, states, at[2], at[3], known, back, errors, total, d_u
            )
            if stream.shape[0]:
                flow = rows_of(stream[s])[first : first + steps * rows]
                join_stream(tile, flow, stream_add, row_sums[s])
                tile = flow
            multiply_transposed(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), tile, dw[s])
            if gx.shape[0]:
                gx_rows = rows_of(gx[s])
                multiply(tile, panels, gx_rows[first : first + steps * rows, :width], add)


@inline
def join_stream(delta, flow, add, row_sums):
    """flow (m * R, N) becomes (with add: gains) delta; row_sums (R, N) gains its sum over steps."""
    rows, n = row_sums.shape
    for r in range(delta.shape[0]):
        i = r % rows
        if add:
            for j in range(n):
                flow[r, j] += delta[r, j]
        else:
            for j in range(n):
                flow[r, j] = delta[r, j]
        for j in range(n):
            row_sums[i, j] += flow[r, j]


class Device:
    """The same on a CUDA device."""

    Scan, Upstream = Scan, Upstream

    @staticmethod
    def layer_forward(x, mask, w, bias, scan, stream, add, h, column, sums):
        """`layer_forward`; w is W (K, N) itself."""
        xp, n = namespace(x), bias.shape[2]
        value = product.value_of(x, mask, w.shape[0])
        if stream.shape[0]:
            a = stream[0, 1:]
        elif h.shape[3] == n:
            a = h[0, 1:]  # the states take the place of their pre-activations
        else:
            a = xp.empty((h.shape[1] - 1, h.shape[2], n), h.dtype)
        product.multiply(value, w, a, add)
        scan_on(xp, a, bias[0], scan, h[0], column, sums[0] if sums.shape[0] else sums)

    @staticmethod
    def layer_backward(
        x, mask, w, scan, h, column, g, g_column, up, stream, stream_add, gx, add, dw, row_sums, du, carry
    ):
        """`layer_backward`; w is W^T (N, K), du (1, R, N)."""
        xp, n = namespace(x), row_sums.shape[2]
        delta = xp.empty((h.shape[1] - 1, h.shape[2], n), h.dtype)
        sums = row_sums[0, : 0 if stream.shape[0] else None]
        above = g[0, 1:, :, g_column : g_column + n]
        scan_back_on(above, up, scan, h[0], column, delta, sums, du[0], carry[0])
        if stream.shape[0]:
            flow = stream[0, 1:]
            flow[...] = flow + delta if stream_add else delta
            row_sums[0] += flow.sum(0)
            delta = flow
        product.multiply_transposed(product.value_of(x, mask, dw.shape[1]), delta, dw[0])
        if gx.shape[0]:
            product.multiply(delta, w, gx[0, 1:, :, : w.shape[1]], add)
