"""The dense recurrence h_t = f(x_t W_in + bias + h_{t-1} W_rec) and its BPTT.

Slice-major like `diagonal.py`: a thread takes one slice of the batch through all steps, so no step waits for
another thread and W_rec, packed once, stays in that core's cache. Input product, weight gradients and the input's
gradient are formed for a whole time tile at once; only h_{t-1} W_rec and delta_t W_rec^T go step by step.

    h_t     = f(a_t),  a_t = x_t W_in + bias + h_{t-1} W_rec               t = 1..T
    delta_t = (dL/dh_t + delta_{t+1} W_rec^T) * f'(a_t)                    t = T..1
    dW_rec  = sum_t h_{t-1}^T delta_t,  dh_0 = delta_1 W_rec^T

f is one of `activations.py`. A sequence that has ended keeps its state. Source: Elman 1990.

On a CUDA device all input products are one, and so are the weight gradients. One kernel takes all steps where W_rec
fits into a block's shared memory (`resident.py`), or into those of many (`spread_dense.py`); otherwise, and for complex
modReLU, each step is a product and a kernel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import product, resident, spread_dense
from npr.kernels.activations import activate_rows, activate_step, slope_rows, slope_step
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.layout import gate_of, masked_tile, rows_of
from npr.kernels.lines import add_line
from npr.kernels.pointwise import COMPLEX_MODRELU, MODRELU
from npr.kernels.spread import spread_for
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray


class DenseScan(NamedTuple):
    """What the recurrence itself needs, the same for both kernels."""

    offset: Array  # (R, N) the b of modReLU, of the complex one in the first half; zero for other activations
    lengths: Array  # (S, R) steps of every row, int64
    activation: int  # code of pointwise.CODES
    steps: int  # time steps of one tile


@parallel_kernel
def dense_forward(x, mask, panels_in, bias, panels, scan, h):
    """h (S, T+1, R, N) from its row 0 on; x (S, T+1, R, >= K), mask (S, R, K) or empty, bias (S, R, N)."""
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3]
    width = panels_in.shape[1]
    for s in prange(slices):
        a = np.empty((scan.steps * rows, n), h.dtype)
        scratch = np.empty((scan.steps * rows, width), h.dtype)
        x_rows, h_rows, gate = rows_of(x[s]), rows_of(h[s]), gate_of(mask, s, width)
        length = scan.lengths[s]
        for t0 in range(0, times, scan.steps):
            steps = min(scan.steps, times - t0)
            multiply(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), panels_in, a[: steps * rows], False)
            for t in range(steps):
                before = (t0 + t) * rows
                step = a[t * rows : (t + 1) * rows]
                multiply(h_rows[before : before + rows], panels, step, True)
                activate_step(scan.activation, step, bias[s], scan.offset, h_rows[before + rows : before + 2 * rows])
                for i in range(rows):
                    if t0 + t >= length[i]:
                        h_rows[before + rows + i] = h_rows[before + i]


@inline
def _delta_step(g, silent, carry, h, length, t, ended, scan, mask, delta, row_sums):
    """delta (R, N) of step t from its gradient g, nothing if silent, and the carry.

    Where a row has ended, its delta is zero and its carry stays; then the other rows' carry is zeroed, so that
    delta W_rec^T can be added to it. Otherwise the carry is left to be overwritten.
    """
    rows, n = delta.shape
    zero = delta.dtype.type(0)
    for i in range(0 if silent else rows):
        if t >= length[i]:
            continue
        if mask.shape[0]:
            for j in range(n):
                carry[i, j] += mask[i, j] * g[i, j]
        else:
            for j in range(n):
                carry[i, j] += g[i, j]
    slope_step(scan.activation, carry, h, scan.offset, delta)
    for i in range(rows if ended else 0):
        idle = delta[i] if t >= length[i] else carry[i]
        for j in range(n):
            idle[j] = zero
    add_line(row_sums, delta)


@inline
def _offset_gradient(code, h, delta, d_offset):
    """d_offset (N,) += sum over rows of sign(h) delta, or of Re(conj(h) delta) / |h| where units are pairs.

    Along h the slope is 1, so delta has the same part along h as dL/dh.
    """
    zero = delta.dtype.type(0)
    if code == COMPLEX_MODRELU:
        m = delta.shape[1] // 2
        for r in range(delta.shape[0]):
            for j in range(m):
                size = math.sqrt(h[r, j] * h[r, j] + h[r, m + j] * h[r, m + j])
                if size > zero:
                    d_offset[j] += (h[r, j] * delta[r, j] + h[r, m + j] * delta[r, m + j]) / size
        return
    for r in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            d_offset[j] += -delta[r, j] if h[r, j] < zero else delta[r, j]


@parallel_kernel
def dense_backward(x, mask, panels_in, panels, scan, h, g, g_mask, first, gx, dw_in, dw, row_sums, d_offset, carry):
    """Backward of `dense_forward`. g (S, T+1, R, >= N) times g_mask (S, R, N) or nothing is dL/dh, zero before
    step `first`. panels_in and panels pack the transposed weights.

    gx (S, T+1, R, >= K) or empty; dw_in (S, K, N), dw (S, N, N), row_sums (S, R, N), of delta, and d_offset (S, N)
    gain sums over time; carry (S, R, N) is dL/dh_T from outside and becomes dL/dh_0.
    """
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3]
    width = dw_in.shape[1]
    tiles = -(-times // scan.steps)
    for s in prange(slices):
        delta = np.empty((scan.steps * rows, n), h.dtype)
        scratch = np.empty((scan.steps * rows, width), h.dtype)
        x_rows, h_rows, g_rows = rows_of(x[s]), rows_of(h[s]), rows_of(g[s])
        gate, g_gate = gate_of(mask, s, width), gate_of(g_mask, s, n)
        shortest = scan.lengths[s].min()
        for q in range(tiles):
            t0 = (tiles - 1 - q) * scan.steps
            steps = min(scan.steps, times - t0)
            begin = (t0 + 1) * rows
            for k in range(steps):
                t = steps - 1 - k
                now = begin + t * rows
                step = delta[t * rows : (t + 1) * rows]
                ended = t0 + t >= shortest
                _delta_step(
                    g_rows[now : now + rows, :n], t0 + t < first, carry[s], h_rows[now : now + rows],
                    scan.lengths[s], t0 + t, ended, scan, g_gate, step, row_sums[s],
                )  # fmt: skip
                multiply(step, panels, carry[s], ended)
            tile = delta[: steps * rows]
            if scan.activation >= MODRELU:
                _offset_gradient(scan.activation, h_rows[begin : begin + steps * rows], tile, d_offset[s])
            multiply_transposed(h_rows[begin - rows : begin - rows + steps * rows], tile, dw[s])
            multiply_transposed(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), tile, dw_in[s])
            if gx.shape[0]:
                gx_rows = rows_of(gx[s])
                multiply(tile, panels_in, gx_rows[begin : begin + steps * rows, :width], False)


class Device:
    """The same on a CUDA device."""

    DenseScan = DenseScan

    @staticmethod
    def dense_forward(x, mask, w_in, bias, w, scan, h):
        """`dense_forward`; w_in is W_in (K, N) and w W_rec (N, N) themselves."""
        times, (rows, n) = h.shape[1] - 1, h.shape[2:]
        a, states = namespace(x).empty((times, rows, n), h.dtype), h[0]
        product.multiply(product.value_of(x, mask, w_in.shape[0]), w_in, a, False)
        if resident.fits(namespace(x), n, h.dtype):
            resident.all_states(a, bias[0], w, scan, states)
            return
        if spread := _spread(x, scan, rows, n, h.dtype):
            spread_dense.all_states(spread, a, bias[0], w, scan, states)
            return
        step = activate_rows.each(rows * n, h.dtype)
        for t in range(times):
            a[t] += states[t] @ w
            step(a[t], bias[0], scan.offset, scan.activation, scan.lengths[0], t, states[t], states[t + 1])

    @staticmethod
    def dense_backward(x, mask, w_in, w, scan, h, g, g_mask, first, gx, dw_in, dw, row_sums, d_offset, carry):
        """`dense_backward`; w_in is W_in^T (N, K) and w W_rec^T themselves."""
        times, (rows, n) = h.shape[1] - 1, h.shape[2:]
        delta, back, length = namespace(x).empty((times, rows, n), h.dtype), carry[0], scan.lengths[0]
        gate = product.gate_of_batch(g_mask)
        above = g[0, 1:, :, :n]
        if resident.fits(namespace(x), n, h.dtype):
            resident.all_deltas(above, first, gate, w, scan, h[0], delta, back)
        elif spread := _spread(x, scan, rows, n, h.dtype):
            spread_dense.all_deltas(spread, above, first, gate, w, scan, h[0], delta, back)
        else:
            step = slope_rows.each(rows * n, h.dtype)
            for t in reversed(range(times)):
                silent = int(t < first)
                step(above[t], silent, gate, scan.offset, scan.activation, length, t, back, h[0, t + 1], delta[t])
                back += delta[t] @ w
        row_sums[0] += delta.sum(0)
        product.multiply_transposed(h[0, :-1], delta, dw[0])
        product.multiply_transposed(product.value_of(x, mask, dw_in.shape[1]), delta, dw_in[0])
        if scan.activation >= MODRELU:
            _add_offset_gradient(scan.activation, h[0, 1:], delta, d_offset[0])
        if gx.shape[0]:
            product.multiply(delta, w_in, gx[0, 1:, :, : w_in.shape[1]], False)


def _spread(x, scan, rows, n, dtype):
    """How the recurrence is spread over the device, or None; units of a pair might lie in two blocks."""
    return None if scan.activation == COMPLEX_MODRELU else spread_for(namespace(x), 1, rows, n, dtype)


def _add_offset_gradient(code, h, delta, d_offset):
    """`_offset_gradient` of all steps, h and delta (T, R, N), by the library of the device."""
    if code == MODRELU:
        d_offset += np.where(h < 0, -delta, delta).sum((0, 1))
        return
    m = h.shape[2] // 2
    size = np.hypot(h[..., :m], h[..., m:])
    along = h[..., :m] * delta[..., :m] + h[..., m:] * delta[..., m:]
    d_offset[:m] += (along / np.where(size > 0, size, 1)).sum((0, 1))
