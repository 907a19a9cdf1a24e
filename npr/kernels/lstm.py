"""The LSTM recurrence and its BPTT, on the CPU; its CUDA twin belongs here.

    a_q = x_t W_in[q] + bias[q] + h_{t-1} W_rec[q]                      q = i, f, g, o; a_o also + c_t V
    i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o);  g = tanh(a_g)
    c_t = f * c_{t-1} + i * g,   h_t = o * tanh(c_t)                    t = 1..T

    dh = dL/dh_t + sum_q delta_q W_rec[q]^T of step t+1,  delta_o = dh * tanh(c) * o (1 - o)      t = T..1
    dc = f_{t+1} * dc_{t+1} + dh * o * (1 - tanh(c)^2) + delta_o V^T
    delta_i = dc * g * i (1 - i),  delta_f = dc * c_{t-1} * f (1 - f),  delta_g = dc * i * (1 - g^2)
    dW_rec[q] = sum_t h_{t-1}^T delta_q,  dV = sum_t c_t^T delta_o

Slice-major like `dense.py`. Each gate is an array of its own, so that one step of a slice is a line of R N units and
every loop along it reads and writes whole vectors; the gates stay in the array that their product was formed in, and
the backward pass needs nothing else. A sequence that has ended keeps its state.

Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; V is the output peephole, a full
matrix on the new cell state, of the manuscript on the Recurrent Residual Network.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from npr.kernels.diagonal import gate_of, masked_tile, rows_of
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.lines import (
    add_line,
    add_upstream,
    clear_ended,
    copy_ended,
    scale_line,
    squash_candidate,
    squash_gate,
)
from npr.kernels.pointwise import tanh
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray
I, F, G, O = 0, 1, 2, 3


class LSTMStates(NamedTuple):
    """All that a forward pass leaves behind, h and c with the initial state in row 0 of time."""

    h: Array  # (S, T+1, R, N)
    c: Array  # (S, T+1, R, N)
    gates: Array  # (S, 4, T, R, N), values of i, f, g, o


class LSTMGrads(NamedTuple):
    """Gradients, one for each slice, zeroed by the caller; peephole is empty without one."""

    W_in: Array  # (S, 4, K, N)
    W_rec: Array  # (S, 4, N, N)
    row_sums: Array  # (S, 4, R, N), sum_t delta
    peephole: Array  # (S, N, N)
    dh: Array  # (S, R, N), dL/dh_T from outside, becomes dL/dh_0
    dc: Array  # (S, R, N), likewise


@inline
def _new_cell(i, f, g, before, c):
    """c = f * before + i * g along one step."""
    size = c.shape[0] * c.shape[1]
    i, f, g, before, c = i.reshape(size), f.reshape(size), g.reshape(size), before.reshape(size), c.reshape(size)
    for j in range(size):
        c[j] = f[j] * before[j] + i[j] * g[j]


@inline
def _output(o, c, h):
    """h = o * tanh(c) along one step."""
    size = c.shape[0] * c.shape[1]
    o, c, h = o.reshape(size), c.reshape(size), h.reshape(size)
    for j in range(size):
        h[j] = o[j] * tanh(c[j])


@parallel_kernel
def lstm_forward(x, mask, panels_in, bias, panels, peephole, lengths, tile_steps, states):
    """States of all steps from row 0 of h and c on.

    x (S, T+1, R, >= K), mask (S, R, K) or empty, bias (S, 4, R, N), lengths (S, R) int64; panels_in and panels hold
    the packed matrices of the four gates, peephole (P, N, width) that of V, or nothing.
    """
    h, c, gates = states
    slices, times, rows = h.shape[0], h.shape[1] - 1, h.shape[2]
    width = panels_in.shape[2]
    for s in prange(slices):
        scratch = np.empty((tile_steps * rows, width), h.dtype)
        x_rows, gate = rows_of(x[s]), gate_of(mask, s, width)
        for t0 in range(0, times, tile_steps):
            steps = min(tile_steps, times - t0)
            shown = masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows])
            for q in range(4):
                tile = rows_of(gates[s, q])[t0 * rows : (t0 + steps) * rows]
                multiply(shown, panels_in[q], tile, False)
            for t in range(t0, t0 + steps):
                before, i, f, g, o = h[s, t], gates[s, I, t], gates[s, F, t], gates[s, G, t], gates[s, O, t]
                multiply(before, panels[I], i, True)
                multiply(before, panels[F], f, True)
                multiply(before, panels[G], g, True)
                multiply(before, panels[O], o, True)
                squash_gate(i, bias[s, I])
                squash_gate(f, bias[s, F])
                squash_candidate(g, bias[s, G])
                _new_cell(i, f, g, c[s, t], c[s, t + 1])
                if peephole.shape[0]:
                    multiply(c[s, t + 1], peephole, o, True)
                squash_gate(o, bias[s, O])
                _output(o, c[s, t + 1], h[s, t + 1])
                copy_ended(c[s, t], c[s, t + 1], lengths[s], t)
                copy_ended(h[s, t], h[s, t + 1], lengths[s], t)


@inline
def _through_output(dh, o, c, dc, delta):
    """delta = dh * tanh(c) * o (1 - o) and dc += dh * o * (1 - tanh(c)^2) along one step."""
    size = c.shape[0] * c.shape[1]
    dh, o, c, dc, delta = dh.reshape(size), o.reshape(size), c.reshape(size), dc.reshape(size), delta.reshape(size)
    one = c.dtype.type(1)
    for j in range(size):
        delta[j] = tanh(c[j])
    for j in range(size):
        dc[j] += dh[j] * o[j] * (one - delta[j] * delta[j])
    for j in range(size):
        delta[j] = dh[j] * delta[j] * o[j] * (one - o[j])


@inline
def _through_gate(dc, other, gate, delta):
    """delta = dc * other * gate (1 - gate) along one step."""
    size = dc.shape[0] * dc.shape[1]
    dc, other, gate, delta = dc.reshape(size), other.reshape(size), gate.reshape(size), delta.reshape(size)
    one = dc.dtype.type(1)
    for j in range(size):
        delta[j] = dc[j] * other[j] * gate[j] * (one - gate[j])


@inline
def _through_candidate(dc, i, g, delta):
    """delta = dc * i * (1 - g^2) along one step."""
    size = dc.shape[0] * dc.shape[1]
    dc, i, g, delta = dc.reshape(size), i.reshape(size), g.reshape(size), delta.reshape(size)
    one = dc.dtype.type(1)
    for j in range(size):
        delta[j] = dc[j] * i[j] * (one - g[j] * g[j])


@parallel_kernel
def lstm_backward(x, mask, panels_in, panels, peephole, lengths, tile_steps, states, g, g_mask, first, gx, grads, kept):
    """Backward of `lstm_forward`. g (S, T+1, R, >= N) times g_mask (S, R, N) or nothing is dL/dh, zero before step
    `first`. panels_in, panels and peephole pack the transposed matrices.

    gx (S, T+1, R, >= K), which gets dL/dx, or empty; kept (S, 2, R, N) is working space.
    """
    h, c, gates = states
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3]
    width = grads.W_in.shape[2]
    tiles = -(-times // tile_steps)
    for s in prange(slices):
        delta = np.empty((4, tile_steps, rows, n), h.dtype)
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
                _through_output(dh, gates[s, O, t], c[s, t + 1], dc, delta[O, k])
                if peephole.shape[0]:
                    multiply(delta[O, k], peephole, dc, True)
                _through_gate(dc, gates[s, G, t], gates[s, I, t], delta[I, k])
                _through_gate(dc, c[s, t], gates[s, F, t], delta[F, k])
                _through_candidate(dc, gates[s, I, t], gates[s, G, t], delta[G, k])
                scale_line(dc, gates[s, F, t])
                for q in range(4):
                    if ended:
                        clear_ended(delta[q, k], length, t)
                    add_line(grads.row_sums[s, q], delta[q, k])
                    multiply(delta[q, k], panels[q], dh, q > 0)
                if ended:
                    copy_ended(kept[s, 0], dh, length, t)
                    copy_ended(kept[s, 1], dc, length, t)
            before = h_rows[begin - rows : begin - rows + steps * rows]
            shown = masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows])
            for q in range(4):
                errors = rows_of(delta[q])[: steps * rows]
                multiply_transposed(before, errors, grads.W_rec[s, q])
                multiply_transposed(shown, errors, grads.W_in[s, q])
                if gx.shape[0]:
                    gx_rows = rows_of(gx[s])
                    multiply(errors, panels_in[q], gx_rows[begin : begin + steps * rows, :width], q > 0)
            if peephole.shape[0]:
                cells = c_rows[begin : begin + steps * rows]
                multiply_transposed(cells, rows_of(delta[O])[: steps * rows], grads.peephole[s])
