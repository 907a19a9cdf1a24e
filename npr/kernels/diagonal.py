"""The elementwise recurrence h_t = f(a_t + u * h_{t-1}) and its BPTT, on the CPU; its CUDA twin belongs here too.

All activations are slice-major, (S, T + 1, R, C): S independent slices of R batch rows. Row 0 of the time axis
holds the initial state, and in a gradient its gradient. A thread takes one slice through all steps, so no step
waits for another thread, and sums are kept per slice and combined in slice order: the bits do not depend on the
number of threads. Inside a slice time goes in tiles that stay in the second-level cache.

Equations (delta = dL/da, delta_{T+1} = 0), Source: arXiv 1803.04831, section 3:

    h_t     = f(a_t + u * h_{t-1})                      t = 1..T
    delta_t = (dL/dh_t + u * delta_{t+1}) * f'(a_t)     t = T..1
    du      = sum_t delta_t * h_{t-1},   dh_0 = u * delta_1

A sequence that has ended (t > length) keeps its state, h_t = h_{t-1}; no gradient arrives at such a step except
through the state.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.narrow import add_rows, gather, lines_for, scatter, widened
from npr.kernels.pointwise import activate, clip, through
from npr.kernels.prefetch import ask_for
from npr.kernels.tile import multiply, multiply_far, multiply_transposed

Array = np.ndarray


class Scan(NamedTuple):
    """What the recurrence itself needs, the same for every kernel of this file."""

    u: Array  # (N,)
    lengths: Array  # (S, R) steps of every row, int64
    activation: int  # code of pointwise.CODES
    steps: int  # time steps of one tile
    step_clip: float  # bound on |delta|, 0 = none


class Upstream(NamedTuple):
    """dL/dh = gain * g + [step is valid] (lean * h + offset): what batch norm and dropout make of dL/dy."""

    gain: Array  # (S, R, N), or empty: 1
    lean: Array  # (N,), or empty: 0; with it there is a gain
    offset: Array  # (N,)
    first: int  # steps before this one receive nothing from g


@inline
def scan_tile(a, bias, scan, h, column, t0, length):
    """Advance one slice by the tile a (m * R, N): h rows (T+1) * R, columns from `column` on; bias (R, N) or empty."""
    rows, n = length.shape[0], a.shape[1]
    u = scan.u
    zero = u.dtype.type(0)
    for r in range(a.shape[0]):
        i = r % rows
        now = (t0 + 1) * rows + r
        # Views of rows: an index column + j might be negative for all LLVM knows, and then nothing is vectorised.
        h_now, h_before = h[now, column : column + n], h[now - rows, column : column + n]
        if t0 + r // rows >= length[i]:
            for j in range(n):
                h_now[j] = h_before[j]
        elif bias.shape[0]:
            for j in range(n):
                h_now[j] = activate(scan.activation, a[r, j] + bias[i, j] + u[j] * h_before[j], zero)
        else:
            for j in range(n):
                h_now[j] = activate(scan.activation, a[r, j] + u[j] * h_before[j], zero)


@inline
def add_moments(h, column, rows, t0, steps, length, tile_sums, sums):
    """Add the sums of h and h^2 over the valid entries of a tile to sums (2, N), in double beyond the tile.

    The tile adds up d = h - c and d^2 with c its first row, so that a large mean does not swallow the variance:
    sum h = sum d + m c and sum h^2 = sum d^2 + 2 c sum d + m c^2 over its m entries.
    """
    n = tile_sums.shape[1]
    tile_sums[:] = 0
    centre = h[(t0 + 1) * rows, column : column + n]
    entries = 0
    for r in range(steps * rows):
        if t0 + r // rows < length[r % rows]:
            entries += 1
            h_now = h[(t0 + 1) * rows + r, column : column + n]
            for j in range(n):
                tile_sums[0, j] += h_now[j] - centre[j]
            for j in range(n):
                tile_sums[1, j] += (h_now[j] - centre[j]) * (h_now[j] - centre[j])
    for j in range(n):
        c, d = np.float64(centre[j]), np.float64(tile_sums[0, j])
        sums[0, j] += d + entries * c
        sums[1, j] += tile_sums[1, j] + 2 * c * d + entries * c * c


@inline
def scan_tile_backward(g, g_first, g_column, up, gain, scan, h, column, t0, length, carry, delta, row_sums, du):
    """Walk one tile backwards into delta (m * R, N); carry (R, N) is dL/dh flowing back in time.

    gain (R, N) or empty, see `Upstream`; row_sums (R, N), or empty where nobody wants them; du (1, N) or (R, N).
    """
    rows, n = carry.shape
    u = scan.u
    zero = u.dtype.type(0)
    limit = u.dtype.type(scan.step_clip)
    steps = delta.shape[0] // rows
    # Two plain loops: with one loop and a remainder LLVM does not vectorise the innermost ones.
    for k in range(steps):
        t = steps - 1 - k
        for i in range(rows):
            r = t * rows + i
            now = (t0 + 1) * rows + r
            if t0 + t >= length[i]:
                for j in range(n):
                    delta[r, j] = zero
                continue
            h_now, h_before = h[now, column : column + n], h[now - rows, column : column + n]
            g_now = g[g_first + r, g_column : g_column + n]
            ask_for(h, now - rows, i, rows, column, n)
            ask_for(g, g_first + r, i, rows, g_column, n)
            if up.lean.shape[0]:
                for j in range(n):
                    d = gain[i, j] * g_now[j] + up.lean[j] * h_now[j] + up.offset[j] + carry[i, j]
                    delta[r, j] = through(scan.activation, d, h_now[j], zero)
            elif gain.shape[0]:
                for j in range(n):
                    delta[r, j] = through(scan.activation, gain[i, j] * g_now[j] + carry[i, j], h_now[j], zero)
            else:
                for j in range(n):
                    delta[r, j] = through(scan.activation, g_now[j] + carry[i, j], h_now[j], zero)
            if limit > zero:
                for j in range(n):
                    delta[r, j] = clip(delta[r, j], limit)
            # At most two arrays written per loop: with more, LLVM gives up proving that they do not overlap.
            for j in range(n):
                carry[i, j] = delta[r, j] * u[j]
            own = i if du.shape[0] > 1 else 0
            for j in range(n):
                du[own, j] += delta[r, j] * h_before[j]
            if row_sums.shape[0]:
                for j in range(n):
                    row_sums[i, j] += delta[r, j]


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


@inline
def silence(g, column, n, first, count):
    """Zero the columns of g that no later step has written: nothing arrives there."""
    for r in range(first, first + count):
        row = g[r, column : column + n]
        for j in range(n):
            row[j] = 0
