"""The elementwise recurrence h_t = f(a_t + u * h_{t-1}) and its BPTT, on pre-activations that are there already.

Equations (delta = dL/da, delta_{T+1} = 0), Source: arXiv 1803.04831, section 3:

    h_t     = f(a_t + u * h_{t-1})                      t = 1..T
    delta_t = (dL/dh_t + u * delta_{t+1}) * f'(a_t)     t = T..1
    du      = sum_t delta_t * h_{t-1},   dh_0 = u * delta_1

A sequence that has ended (t > length) keeps its state, h_t = h_{t-1}; no gradient arrives at such a step except
through the state.

On the CPU the functions below take one slice through one tile of steps; `diagonal.py` and others put them together.
The CUDA kernels give a thread one unit of one sequence and all steps: nothing is ever shared, and neighbouring
threads read neighbouring memory. Loads of several steps are on their way at once, or the memory would wait.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.kernels import product
from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.jit import inline
from npr.kernels.norm_statistics import gather_moments
from npr.kernels.pointwise import activate, clip, through
from npr.kernels.prefetch import ask_for

Array = np.ndarray
AHEAD = 8  # steps that a CUDA thread loads at once


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
def silence(g, column, n, first, count):
    """Zero the columns of g that no later step has written: nothing arrives there."""
    for r in range(first, first + count):
        row = g[r, column : column + n]
        for j in range(n):
            row[j] = 0


@cuda_kernel
def unit_forward(a, bias, u, lengths, activation, h, column, sums):
    """h (T+1, R, C) from a (T, R, N), bias (R, N) or empty; a may lie in h. sums (3, R, N) or empty: c = h_1, and the
    sums of h - c and its square over the steps of the sequence."""
    p = cuda.grid(1)
    times, rows, n = a.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        zero, weight, steps = real(0), u[j], lengths[i]
        shift = bias[i, j] if bias.shape[0] else zero
        state = h[0, i, column + j]
        centre, first, second = zero, zero, zero
        ahead = cuda.local.array(AHEAD, real)
        for t0 in range(0, times, AHEAD):
            for k in range(AHEAD):
                if t0 + k < steps:
                    ahead[k] = a[t0 + k, i, j]
            # A sum of few, then a sum of those: less is rounded away.
            part, squares = zero, zero
            for k in range(AHEAD):
                t = t0 + k
                if t < steps:
                    state = activate(activation, ahead[k] + shift + weight * state, zero)
                    if t == 0:
                        centre = state
                    part += state - centre
                    squares += (state - centre) * (state - centre)
                if t < times:
                    h[t + 1, i, column + j] = state
            first += part
            second += squares
        if sums.shape[0]:
            sums[0, i, j] = centre
            sums[1, i, j] = first
            sums[2, i, j] = second


@cuda_kernel
def unit_backward(g, first, gain, lean, offset, u, lengths, activation, limit, h, column, delta, row_sums, du, carry):
    """delta (T, R, N) from g (T, R, N), which may be the same memory; gain (R, N), lean and offset (N,) or empty, see
    `Upstream`. row_sums (R, N) or empty and du (R, N) gain their sums; carry (R, N) becomes dL/dh_0."""
    p = cuda.grid(1)
    times, rows, n = delta.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        zero, weight, steps = real(0), u[j], lengths[i]
        scale = gain[i, j] if gain.shape[0] else real(1)
        slope = lean[j] if lean.shape[0] else zero
        shift = offset[j] if lean.shape[0] else zero
        back, total, d_u = carry[i, j], zero, zero
        above = cuda.local.array(AHEAD, real)
        states = cuda.local.array(AHEAD, real)
        for q in range((times + AHEAD - 1) // AHEAD):
            last = times - 1 - q * AHEAD
            for k in range(AHEAD):
                t = last - k
                if 0 <= t < steps:
                    above[k] = g[t, i, j] if t >= first else zero
                    states[k] = h[t + 1, i, column + j]
            part, part_u = zero, zero
            for k in range(AHEAD):
                t = last - k
                if t >= steps:
                    delta[t, i, j] = zero
                elif t >= 0:
                    now = states[k]
                    before = states[k + 1] if k + 1 < AHEAD and t > 0 else h[t, i, column + j]
                    d = scale * above[k] + (slope * now + shift) + back
                    d = through(activation, d, now, zero)
                    if limit > zero:
                        d = clip(d, limit)
                    delta[t, i, j] = d
                    back = d * weight
                    part += d
                    part_u += d * before
            total += part
            d_u += part_u
        carry[i, j] = back
        du[i, j] += d_u
        if row_sums.shape[0]:
            row_sums[i, j] += total


def scan_on(xp, a, bias, scan, h, column, moments):
    """`unit_forward` of one slice: a (T, R, N), h (T+1, R, C), moments (2, N) in double or empty."""
    rows, n = a.shape[1:]
    parts = xp.empty((3 if moments.shape[0] else 0, rows, n), h.dtype)
    unit_forward.each(rows * n, h.dtype)(a, bias, scan.u, scan.lengths[0], scan.activation, h, column, parts)
    if moments.shape[0]:
        gather_moments(parts, scan.lengths[0], moments)


def scan_back_on(g, up, scan, h, column, delta, row_sums, du, carry):
    """`unit_backward` of one slice: g and delta (T, R, N), all (R, N) but h (T+1, R, C)."""
    rows, n = delta.shape[1:]
    gain = product.gate_of_batch(up.gain)
    limit = h.dtype.type(scan.step_clip)
    unit_backward.each(rows * n, h.dtype)(
        g, up.first, gain, up.lean, up.offset, scan.u, scan.lengths[0], scan.activation, limit, h, column, delta,
        row_sums, du, carry,
    )  # fmt: skip
