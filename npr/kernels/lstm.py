"""The LSTM recurrence and its BPTT.

    a_q = x_t W_in[q] + bias[q] + h_{t-1} W_rec[q]                      q = i, f, g, o; a_o also + c_t V
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o);  g = tanh(a_g)
    c_t = f * c_{t-1} + i * g,   h_t = o * tanh(c_t)                    t = 1..T

    dh = dL/dh_t + sum_q delta_q W_rec[q]^T of step t+1,  delta_o = dh * tanh(c) * o (1 - o)      t = T..1
    dc = f_{t+1} * dc_{t+1} + dh * o * (1 - tanh(c)^2) + delta_o V^T
    delta_i = dc * g * i (1 - i),  delta_f = dc * c_{t-1} * f (1 - f),  delta_g = dc * i * (1 - g^2)
    dW_rec[q] = sum_t h_{t-1}^T delta_q,  dV = sum_t c_t^T delta_o

Slice-major like `dense.py`. The gates stand side by side, i | f | g | o, so that each product is one for all of them:
narrow ones lose little to the last, masked vector, and the backward product adds over all 4 N units at once. All gates
of a step are squashed along one line of 4 R N units, sigmoid as 1/2 + tanh(a / 2) / 2; they stay in the array that
their product was formed in, and the backward pass needs nothing else. A sequence that has ended keeps its state.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; V is the output peephole, a full
matrix on the new cell state, of the manuscript on the Recurrent Residual Network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import gate_steps, product, spread_gates
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.layout import gate_of, masked_tile, rows_of
from npr.kernels.lines import add_line, add_upstream, clear_ended, copy_ended
from npr.kernels.pointwise import tanh
from npr.kernels.spread import spread_for
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray


class LSTMStates(NamedTuple):
    """All that a forward pass leaves behind, h and c with the initial state in row 0 of time."""

    h: Array  # (S, T+1, R, N)
    c: Array  # (S, T+1, R, N)
    gates: Array  # (S, T, R, 4N), values of i, f, g, o


class LSTMGrads(NamedTuple):
    """Gradients, one for each slice, zeroed by the caller; peephole is empty without one."""

    W_in: Array  # (S, K, 4N)
    W_rec: Array  # (S, N, 4N)
    row_sums: Array  # (S, R, 4N), sum_t delta
    peephole: Array  # (S, N, N)
    dh: Array  # (S, R, N), dL/dh_T from outside, becomes dL/dh_0
    dc: Array  # (S, R, N), likewise


@inline
def _squash(a, bias, half):
    """In place a <- (1 - half) + half * tanh(half * (a + bias)), all (M,): sigmoid where half is 1/2, tanh where 1."""
    one = a.dtype.type(1)
    for j in range(a.shape[0]):
        a[j] = (one - half[j]) + half[j] * tanh(half[j] * (a[j] + bias[j]))


@inline
def _squash_columns(gates, bias, half, first, last):
    """`_squash` of some columns of a step, all (R, 4N)."""
    for r in range(gates.shape[0]):
        _squash(gates[r, first:last], bias[r, first:last], half[r, first:last])


@inline
def _new_cell(gates, before, c):
    """c = f * before + i * g for a step (R, 4N), (R, N), (R, N)."""
    n = c.shape[1]
    for r in range(c.shape[0]):
        i, f, g, old, new = gates[r, :n], gates[r, n : 2 * n], gates[r, 2 * n : 3 * n], before[r], c[r]
        for j in range(n):
            new[j] = f[j] * old[j] + i[j] * g[j]


@inline
def _tanh_line(c, out):
    """out = tanh(c), both (R, N)."""
    size = c.shape[0] * c.shape[1]
    c, out = c.reshape(size), out.reshape(size)
    for j in range(size):
        out[j] = tanh(c[j])


@inline
def _output(gates, h):
    """h = o * h for a step (R, 4N), (R, N)."""
    n = h.shape[1]
    for r in range(h.shape[0]):
        o, row = gates[r, 3 * n :], h[r]
        for j in range(n):
            row[j] *= o[j]


@parallel_kernel
def lstm_forward(x, mask, panels_in, bias, panels, peephole, lengths, tile_steps, states):
    """States of all steps from row 0 of h and c on.

    x (S, T+1, R, >= K), mask (S, R, K) or empty, bias (S, R, 4N), lengths (S, R) int64; panels_in and panels hold
    the packed W_in (K, 4N) and W_rec (N, 4N), peephole (P, N, width) that of V, or nothing.
    """
    h, c, gates = states
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3]
    width = panels_in.shape[1]
    for s in prange(slices):
        scratch = np.empty((tile_steps * rows, width), h.dtype)
        half = np.full((rows, 4 * n), h.dtype.type(0.5), h.dtype)
        half[:, 2 * n : 3 * n] = h.dtype.type(1)
        x_rows, gate, gate_rows = rows_of(x[s]), gate_of(mask, s, width), rows_of(gates[s])
        line = 4 * rows * n
        for t0 in range(0, times, tile_steps):
            steps = min(tile_steps, times - t0)
            shown = masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows])
            multiply(shown, panels_in, gate_rows[t0 * rows : (t0 + steps) * rows], False)
            for t in range(t0, t0 + steps):
                now, new = gates[s, t], h[s, t + 1]
                multiply(h[s, t], panels, now, True)
                if peephole.shape[0]:
                    _squash_columns(now, bias[s], half, 0, 3 * n)
                    _new_cell(now, c[s, t], c[s, t + 1])
                    multiply(c[s, t + 1], peephole, now[:, 3 * n :], True)
                    _squash_columns(now, bias[s], half, 3 * n, 4 * n)
                else:
                    _squash(now.reshape(line), bias[s].reshape(line), half.reshape(line))
                    _new_cell(now, c[s, t], c[s, t + 1])
                _tanh_line(c[s, t + 1], new)
                _output(now, new)
                copy_ended(c[s, t], c[s, t + 1], lengths[s], t)
                copy_ended(h[s, t], new, lengths[s], t)


@inline
def _through_output(gates, tanh_c, dh, dc, delta):
    """delta_o = dh * tanh(c) * o (1 - o) and dc += dh * o * (1 - tanh(c)^2) for a step; delta (R, 4N)."""
    n = dc.shape[1]
    one = dc.dtype.type(1)
    for r in range(dc.shape[0]):
        o, bent, above, cell, out = gates[r, 3 * n :], tanh_c[r], dh[r], dc[r], delta[r, 3 * n :]
        for j in range(n):
            passed = above[j] * o[j]
            cell[j] += passed * (one - bent[j] * bent[j])
            out[j] = passed * bent[j] * (one - o[j])


@inline
def _through_cell(gates, before, dc, delta):
    """delta_i, delta_f and delta_g of a step, then dc *= f."""
    n = dc.shape[1]
    one = dc.dtype.type(1)
    for r in range(dc.shape[0]):
        i, f, g = gates[r, :n], gates[r, n : 2 * n], gates[r, 2 * n : 3 * n]
        d_i, d_f, d_g = delta[r, :n], delta[r, n : 2 * n], delta[r, 2 * n : 3 * n]
        cell, old = dc[r], before[r]
        # Two arrays written per loop: of more, LLVM cannot prove that they do not overlap.
        for j in range(n):
            new = cell[j] * i[j]
            d_i[j] = new * g[j] * (one - i[j])
            d_g[j] = new * (one - g[j] * g[j])
        for j in range(n):
            kept = cell[j] * f[j]
            d_f[j] = kept * old[j] * (one - f[j])
            cell[j] = kept


@parallel_kernel
def lstm_backward(x, mask, panels_in, panels, peephole, lengths, tile_steps, states, g, g_mask, first, gx, grads, kept):
    """Backward of `lstm_forward`. g (S, T+1, R, >= N) times g_mask (S, R, N) or nothing is dL/dh, zero before step
    `first`. panels_in, panels and peephole pack the transposed matrices.

    gx (S, T+1, R, >= K), which gets dL/dx, or empty; kept (S, 2, R, N) is working space.
    """
    h, c, gates = states
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3]
    width = grads.W_in.shape[1]
    tiles = -(-times // tile_steps)
    for s in prange(slices):
        delta = np.empty((tile_steps * rows, 4 * n), h.dtype)
        tanh_c = np.empty((rows, n), h.dtype)
        scratch = np.empty((tile_steps * rows, width), h.dtype)
        x_rows, h_rows, c_rows, g_rows = rows_of(x[s]), rows_of(h[s]), rows_of(c[s]), rows_of(g[s])
        gate, g_gate = gate_of(mask, s, width), gate_of(g_mask, s, n)
        dh, dc, length = grads.dh[s], grads.dc[s], lengths[s]
        shortest = length.min()
        for tile in range(tiles):
            t0 = (tiles - 1 - tile) * tile_steps
            steps = min(tile_steps, times - t0)
            begin = (t0 + 1) * rows
            for back in range(steps):
                k = steps - 1 - back
                t = t0 + k
                ended = t >= shortest
                if ended:
                    copy_ended(dh, kept[s, 0], length, t)
                    copy_ended(dc, kept[s, 1], length, t)
                if t >= first:
                    now = begin + k * rows
                    add_upstream(dh, g_rows[now : now + rows, :n], g_gate)
                _tanh_line(c[s, t + 1], tanh_c)
                step = delta[k * rows : (k + 1) * rows]
                _through_output(gates[s, t], tanh_c, dh, dc, step)
                if peephole.shape[0]:
                    multiply(step[:, 3 * n :], peephole, dc, True)
                _through_cell(gates[s, t], c[s, t], dc, step)
                if ended:
                    clear_ended(step, length, t)
                add_line(grads.row_sums[s], step)
                multiply(step, panels, dh, False)
                if ended:
                    copy_ended(kept[s, 0], dh, length, t)
                    copy_ended(kept[s, 1], dc, length, t)
            before = h_rows[begin - rows : begin - rows + steps * rows]
            errors = delta[: steps * rows]
            multiply_transposed(before, errors, grads.W_rec[s])
            multiply_transposed(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), errors, grads.W_in[s])
            if gx.shape[0]:
                multiply(errors, panels_in, rows_of(gx[s])[begin : begin + steps * rows, :width], False)
            if peephole.shape[0]:
                cells = c_rows[begin : begin + steps * rows]
                multiply_transposed(cells, errors[:, 3 * n :], grads.peephole[s])


class Device:
    """The same on a CUDA device, in one launch for all steps where W_rec can be spread over it; w_in, w and peephole
    are the matrices, backwards the transposed ones."""

    LSTMStates, LSTMGrads = LSTMStates, LSTMGrads

    @staticmethod
    def lstm_forward(x, mask, w_in, bias, w, peephole, lengths, tile_steps, states):
        """`lstm_forward`."""
        h, c, gates = (part[0] for part in states)
        (rows, n), length = h.shape[1:], lengths[0]
        product.multiply(product.value_of(x, mask, w_in.shape[0]), w_in, gates, False)
        spread = None if peephole.shape[0] else spread_for(namespace(x), 4, rows, n, h.dtype)
        if spread:
            spread_gates.lstm_states(spread, gates, bias[0], w, length, h, c)
        else:
            gate_steps.lstm_states(gates, bias[0], w, peephole, length, h, c)

    @staticmethod
    def lstm_backward(x, mask, w_in, w, peephole, lengths, tile_steps, states, g, g_mask, first, gx, grads, kept):
        """`lstm_backward`."""
        h, c, gates = (part[0] for part in states)
        (rows, n), length = h.shape[1:], lengths[0]
        dh, dc, delta = grads.dh[0], grads.dc[0], namespace(x).empty(gates.shape, h.dtype)
        gate = product.gate_of_batch(g_mask)
        above = g[0, 1:, :, :n]
        spread = None if peephole.shape[0] else spread_for(namespace(x), 4, rows, n, h.dtype)
        if spread:
            spread_gates.lstm_deltas(spread, above, first, gate, w, length, gates, c, delta, dh, dc)
        else:
            gate_steps.lstm_deltas(above, first, gate, w, peephole, length, gates, c, delta, dh, dc)
        grads.row_sums[0] += delta.sum(0)
        product.multiply_transposed(h[:-1], delta, grads.W_rec[0])
        product.multiply_transposed(product.value_of(x, mask, w_in.shape[1]), delta, grads.W_in[0])
        if gx.shape[0]:
            product.multiply(delta, w_in, gx[0, 1:, :, : w_in.shape[1]], False)
        if peephole.shape[0]:
            product.multiply_transposed(c[1:], delta[..., 3 * n :], grads.peephole[0])
