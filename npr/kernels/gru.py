"""The GRU recurrence and its BPTT.

    r, z = sigmoid(a_r), sigmoid(a_z),  a_q = x_t W_in[q] + bias[q] + h_{t-1} W_rec[q]                q = r, z
    reset after:   m = h_{t-1} W_rec[n] + b_rec,  n = tanh(x_t W_in[n] + bias[n] + r * m)
    reset before:  m = r * h_{t-1},               n = tanh(x_t W_in[n] + bias[n] + m W_rec[n])
    h_t = (1 - z) * n + z * h_{t-1}                                                                   t = 1..T

    delta_n = dh * (1 - z) (1 - n^2),  delta_z = dh * (h_{t-1} - n) * z (1 - z)                       t = T..1
    after:   e = delta_n * r,           delta_r = delta_n * m * r (1 - r),        dW_rec[n] = sum_t h_{t-1}^T e
    before:  e = delta_n W_rec[n]^T,    delta_r = e * h_{t-1} * r (1 - r),        dW_rec[n] = sum_t m^T delta_n
    dh_{t-1} = dh * z + delta_r W_rec[r]^T + delta_z W_rec[z]^T + (after: e W_rec[n]^T, before: e * r)

The arrays are those of `lstm.py`: one for each gate, a step as a line of R N units. A sequence that has ended keeps
its state.

Source: arXiv 1406.1078 (reset before); reset after as cuDNN and torch.nn.GRU have it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import gate_steps, product, spread_gates
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.layout import gate_of, masked_tile, rows_of
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
from npr.kernels.spread import spread_for
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray
R, Z, N, E = 0, 1, 2, 3


class GRUStates(NamedTuple):
    """All that a forward pass leaves behind, h with the initial state in row 0 of time."""

    h: Array  # (S, T+1, R, N)
    gates: Array  # (S, 4, T, R, N), values of r, z, n and m


class GRUGrads(NamedTuple):
    """Gradients, one for each slice, zeroed by the caller."""

    W_in: Array  # (S, 3, K, N)
    W_rec: Array  # (S, 3, N, N)
    row_sums: Array  # (S, 4, R, N), sums over time of delta_r, delta_z, delta_n, and of e with the reset after
    dh: Array  # (S, R, N), dL/dh_T from outside, becomes dL/dh_0


@inline
def _candidate_after(a, bias, r, m):
    """In place a <- tanh(a + bias + r * m) along one step."""
    size = a.shape[0] * a.shape[1]
    a, bias, r, m = a.reshape(size), bias.reshape(size), r.reshape(size), m.reshape(size)
    for j in range(size):
        a[j] = tanh(a[j] + bias[j] + r[j] * m[j])


@inline
def _product(a, b, out):
    """out = a * b along one step."""
    size = a.shape[0] * a.shape[1]
    a, b, out = a.reshape(size), b.reshape(size), out.reshape(size)
    for j in range(size):
        out[j] = a[j] * b[j]


@inline
def _mix(z, n, before, h):
    """h = (1 - z) n + z before along one step."""
    size = z.shape[0] * z.shape[1]
    z, n, before, h = z.reshape(size), n.reshape(size), before.reshape(size), h.reshape(size)
    for j in range(size):
        h[j] = n[j] + z[j] * (before[j] - n[j])


@parallel_kernel
def gru_forward(x, mask, panels_in, bias, panels, after, lengths, tile_steps, states):
    """States of all steps from row 0 of h on.

    x (S, T+1, R, >= K), mask (S, R, K) or empty, bias (S, 4, R, N) of r, z, n and b_rec, lengths (S, R) int64;
    panels_in and panels hold the packed matrices of r, z, n; `after` chooses where the reset acts.
    """
    h, gates = states
    slices, times, rows = h.shape[0], h.shape[1] - 1, h.shape[2]
    width = panels_in.shape[2]
    for s in prange(slices):
        scratch = np.empty((tile_steps * rows, width), h.dtype)
        x_rows, gate = rows_of(x[s]), gate_of(mask, s, width)
        for t0 in range(0, times, tile_steps):
            steps = min(tile_steps, times - t0)
            shown = masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows])
            for q in range(3):
                tile = rows_of(gates[s, q])[t0 * rows : (t0 + steps) * rows]
                multiply(shown, panels_in[q], tile, False)
            for t in range(t0, t0 + steps):
                before, reset, keep, new, m = h[s, t], gates[s, R, t], gates[s, Z, t], gates[s, N, t], gates[s, E, t]
                multiply(before, panels[R], reset, True)
                multiply(before, panels[Z], keep, True)
                squash_gate(reset, bias[s, R])
                squash_gate(keep, bias[s, Z])
                if after:
                    multiply(before, panels[N], m, False)
                    add_line(m, bias[s, E])
                    _candidate_after(new, bias[s, N], reset, m)
                else:
                    _product(reset, before, m)
                    multiply(m, panels[N], new, True)
                    squash_candidate(new, bias[s, N])
                _mix(keep, new, before, h[s, t + 1])
                copy_ended(before, h[s, t + 1], lengths[s], t)


@inline
def _through_mix(dh, z, n, before, d_z, d_n):
    """d_z = dh * (before - n) * z (1 - z) and d_n = dh * (1 - z) (1 - n^2) along one step."""
    size = dh.shape[0] * dh.shape[1]
    dh, z, n, before = dh.reshape(size), z.reshape(size), n.reshape(size), before.reshape(size)
    d_z, d_n = d_z.reshape(size), d_n.reshape(size)
    one = dh.dtype.type(1)
    for j in range(size):
        d_z[j] = dh[j] * (before[j] - n[j]) * z[j] * (one - z[j])
    for j in range(size):
        d_n[j] = dh[j] * (one - z[j]) * (one - n[j] * n[j])


@inline
def _through_reset(e, m, r, delta):
    """delta = e * m * r (1 - r) along one step."""
    size = e.shape[0] * e.shape[1]
    e, m, r, delta = e.reshape(size), m.reshape(size), r.reshape(size), delta.reshape(size)
    one = e.dtype.type(1)
    for j in range(size):
        delta[j] = e[j] * m[j] * r[j] * (one - r[j])


@inline
def _add_product(dh, e, r):
    """dh += e * r along one step."""
    size = dh.shape[0] * dh.shape[1]
    dh, e, r = dh.reshape(size), e.reshape(size), r.reshape(size)
    for j in range(size):
        dh[j] += e[j] * r[j]


@parallel_kernel
def gru_backward(x, mask, panels_in, panels, after, lengths, tile_steps, states, g, g_mask, first, gx, grads, kept):
    """Backward of `gru_forward`. g (S, T+1, R, >= N) times g_mask (S, R, N) or nothing is dL/dh, zero before step
    `first`. panels_in and panels pack the transposed matrices.

    gx (S, T+1, R, >= K), which gets dL/dx, or empty; kept (S, R, N) is working space.
    """
    h, gates = states
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3]
    width = grads.W_in.shape[2]
    tiles = -(-times // tile_steps)
    for s in prange(slices):
        delta = np.empty((4, tile_steps, rows, n), h.dtype)
        scratch = np.empty((tile_steps * rows, width), h.dtype)
        x_rows, h_rows, m_rows, g_rows = rows_of(x[s]), rows_of(h[s]), rows_of(gates[s, E]), rows_of(g[s])
        gate, g_gate = gate_of(mask, s, width), gate_of(g_mask, s, n)
        dh, length = grads.dh[s], lengths[s]
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
                    copy_ended(dh, kept[s], length, t)
                if t >= first:
                    now = begin + k * rows
                    add_upstream(dh, g_rows[now : now + rows, :n], g_gate)
                reset, keep, new, m = gates[s, R, t], gates[s, Z, t], gates[s, N, t], gates[s, E, t]
                d_reset, d_keep, d_new, e = delta[R, k], delta[Z, k], delta[N, k], delta[E, k]
                _through_mix(dh, keep, new, h[s, t], d_keep, d_new)
                scale_line(dh, keep)
                if after:
                    _product(d_new, reset, e)
                    _through_reset(d_new, m, reset, d_reset)
                else:
                    multiply(d_new, panels[N], e, False)
                    _through_reset(e, h[s, t], reset, d_reset)
                    _add_product(dh, e, reset)
                for q in range(4 if after else 3):
                    if ended:
                        clear_ended(delta[q, k], length, t)
                    add_line(grads.row_sums[s, q], delta[q, k])
                multiply(d_reset, panels[R], dh, True)
                multiply(d_keep, panels[Z], dh, True)
                if after:
                    multiply(e, panels[N], dh, True)
                if ended:
                    copy_ended(kept[s], dh, length, t)
            before = h_rows[begin - rows : begin - rows + steps * rows]
            shown = masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows])
            for q in range(3):
                errors = rows_of(delta[q])[: steps * rows]
                multiply_transposed(shown, errors, grads.W_in[s, q])
                if gx.shape[0]:
                    gx_rows = rows_of(gx[s])
                    multiply(errors, panels_in[q], gx_rows[begin : begin + steps * rows, :width], q > 0)
                if q < N:
                    multiply_transposed(before, errors, grads.W_rec[s, q])
            if after:
                multiply_transposed(before, rows_of(delta[E])[: steps * rows], grads.W_rec[s, N])
            else:
                products = m_rows[t0 * rows : (t0 + steps) * rows]
                multiply_transposed(products, rows_of(delta[N])[: steps * rows], grads.W_rec[s, N])


class Device:
    """The same on a CUDA device, in one launch for all steps where W_rec can be spread over it and the reset is after
    the product; w_in and w (3, ...) are the matrices of r, z, n, backwards the transposed ones."""

    GRUStates, GRUGrads = GRUStates, GRUGrads

    @staticmethod
    def gru_forward(x, mask, w_in, bias, w, after, lengths, tile_steps, states):
        """`gru_forward`."""
        h, gates = (part[0] for part in states)
        (rows, n), length, after = h.shape[1:], lengths[0], int(after)
        value = product.value_of(x, mask, w_in.shape[1])
        for q in range(3):
            product.multiply(value, w_in[q], gates[q], False)
        spread = spread_for(namespace(x), 3, rows, n, h.dtype) if after else None
        if spread:
            spread_gates.gru_states(spread, gates, bias[0], w, length, h)
        else:
            gate_steps.gru_states(gates, bias[0], w, after, length, h)

    @staticmethod
    def gru_backward(x, mask, w_in, w, after, lengths, tile_steps, states, g, g_mask, first, gx, grads, kept):
        """`gru_backward`."""
        h, gates = (part[0] for part in states)
        (rows, n), length, dh, after = h.shape[1:], lengths[0], grads.dh[0], int(after)
        delta = namespace(x).zeros(gates.shape, h.dtype)
        gate = product.gate_of_batch(g_mask)
        above = g[0, 1:, :, :n]
        spread = spread_for(namespace(x), 3, rows, n, h.dtype) if after else None
        if spread:
            spread_gates.gru_deltas(spread, above, first, gate, w, length, gates, h, delta, dh)
        else:
            gate_steps.gru_deltas(above, first, gate, w, after, length, gates, h, delta, dh)
        _sum_up(x, mask, w_in, after, states, gx, grads, delta)


def _sum_up(x, mask, w_in, after, states, gx, grads, delta):
    """Gradients from delta (4, T, R, N) of all steps, on the device."""
    h, gates = (part[0] for part in states)
    value = product.value_of(x, mask, w_in.shape[2])
    for q in range(3):
        product.multiply_transposed(value, delta[q], grads.W_in[0, q])
        if gx.shape[0]:
            product.multiply(delta[q], w_in[q], gx[0, 1:, :, : w_in.shape[2]], q > 0)
    pairs = (h[:-1], delta[R]), (h[:-1], delta[Z]), (h[:-1], delta[E]) if after else (gates[E], delta[N])
    for q, (left, right) in enumerate(pairs):
        product.multiply_transposed(left, right, grads.W_rec[0, q])
    for q in range(4 if after else 3):
        grads.row_sums[0, q] += delta[q].sum(0)
