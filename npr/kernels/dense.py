"""The dense recurrence h_t = f(x_t W_in + bias + h_{t-1} W_rec) and its BPTT, on the CPU; its CUDA twin belongs here.

Slice-major like `diagonal.py`: a thread takes one slice of the batch through all steps, so no step waits for
another thread and W_rec, packed once, stays in that core's cache. Input product, weight gradients and the input's
gradient are formed for a whole time tile at once; only h_{t-1} W_rec and delta_t W_rec^T go step by step.

    h_t     = f(a_t),  a_t = x_t W_in + bias + h_{t-1} W_rec               t = 1..T
    delta_t = (dL/dh_t + delta_{t+1} W_rec^T) * f'(a_t)                    t = T..1
    dW_rec  = sum_t h_{t-1}^T delta_t,  dh_0 = delta_1 W_rec^T

modReLU, f(a) = sign(a) max(|a| + b, 0): f' = 1 and dL/db = sum sign(h) delta where h != 0, so like the other
activations it needs h alone. Complex modReLU takes units j and N/2 + j as Re and Im, f(a) = (a / |a|) max(|a| + b, 0):
along h the slope is 1, across it |h| / |a| with |a| = |h| - b.

A sequence that has ended keeps its state. Source: Elman 1990; arXiv 1511.06464.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from npr.kernels.diagonal import gate_of, masked_tile, rows_of
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.lines import add_line
from npr.kernels.pointwise import COMPLEX_MODRELU, MODRELU, RELU, SIGMOID, TANH, modrelu, sigmoid, tanh
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray


class DenseScan(NamedTuple):
    """What the recurrence itself needs, the same for both kernels."""

    offset: Array  # (R, N) the b of modReLU, of the complex one in the first half; zero for other activations
    lengths: Array  # (S, R) steps of every row, int64
    activation: int  # code of pointwise.CODES
    steps: int  # time steps of one tile


@inline
def activate_step(code, a, bias, offset, h):
    """h = f(a + bias) for one step, all (R, N); one loop for each function, because a choice inside costs the lanes.

    The rows go as one line of R N units: a loop for each row costs more than the function, 0.2 of 2.8 ns a unit.
    """
    rows, n = a.shape
    zero = a.dtype.type(0)
    if code == COMPLEX_MODRELU:
        for i in range(rows):
            _activate_pairs(a[i], bias[i], offset[i], h[i])
        return
    a, bias, offset, h = a.reshape(rows * n), bias.reshape(rows * n), offset.reshape(rows * n), h.reshape(rows * n)
    if code == TANH:
        for j in range(rows * n):
            h[j] = tanh(a[j] + bias[j])
    elif code == MODRELU:
        for j in range(rows * n):
            h[j] = modrelu(a[j] + bias[j], offset[j], zero)
    elif code == RELU:
        for j in range(rows * n):
            value = a[j] + bias[j]
            h[j] = zero if value < zero else value
    elif code == SIGMOID:
        for j in range(rows * n):
            h[j] = sigmoid(a[j] + bias[j])
    else:
        for j in range(rows * n):
            h[j] = a[j] + bias[j]


@inline
def _activate_pairs(a, bias, offset, h):
    """Complex modReLU of one row."""
    zero = a.dtype.type(0)
    m = a.shape[0] // 2
    for j in range(m):
        re, im = a[j] + bias[j], a[m + j] + bias[m + j]
        size = math.sqrt(re * re + im * im)
        top = size + offset[j]
        top = zero if top <= zero or size == zero else top / size
        h[j] = re * top
        h[m + j] = im * top


@inline
def slope_step(code, g, h, offset, d):
    """d = g f'(a) for one step, all (R, N), the slope taken from h = f(a)."""
    rows, n = d.shape
    zero = d.dtype.type(0)
    if code == COMPLEX_MODRELU:
        for i in range(rows):
            _slope_pairs(g[i], h[i], offset[i], d[i])
        return
    g, h, d = g.reshape(rows * n), h.reshape(rows * n), d.reshape(rows * n)
    if code == TANH:
        for j in range(rows * n):
            d[j] = g[j] - g[j] * h[j] * h[j]
    elif code == MODRELU:
        for j in range(rows * n):
            d[j] = zero if h[j] == zero else g[j]
    elif code == RELU:
        for j in range(rows * n):
            d[j] = g[j] if h[j] > zero else zero
    elif code == SIGMOID:
        for j in range(rows * n):
            d[j] = g[j] * (h[j] - h[j] * h[j])
    else:
        for j in range(rows * n):
            d[j] = g[j]


@inline
def _slope_pairs(g, h, offset, d):
    """The same for one row of complex modReLU."""
    zero = d.dtype.type(0)
    m = d.shape[0] // 2
    for j in range(m):
        square = h[j] * h[j] + h[m + j] * h[m + j]
        if square == zero:
            d[j] = zero
            d[m + j] = zero
        else:
            size = math.sqrt(square)
            across = size / (size - offset[j])
            along = (g[j] * h[j] + g[m + j] * h[m + j]) / square
            along -= across * along
            d[j] = across * g[j] + along * h[j]
            d[m + j] = across * g[m + j] + along * h[m + j]


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
