"""The gated recurrences on a CUDA device step by step: products, and kernels with a thread for each unit of each
sequence.

Equations in `lstm.py` and `gru.py`. A sequence that has ended at step t, counted from 0, keeps its states and what
flows back to them, and its deltas are zero. Slower than one launch for all steps (`spread_gates.py`) and for any size.
"""

from __future__ import annotations

from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.gate_slopes import arriving, squashed, through_cell, through_mix, through_output, through_reset
from npr.kernels.pointwise import tanh


@cuda_kernel
def lstm_cell(gates, bias, lengths, t, before, c):
    """i, f, g in the place of their pre-activations, gates and bias (R, 4N), and c = f * before + i * g (R, N)."""
    p = cuda.grid(1)
    rows, n = c.shape
    if p < rows * n:
        r = p // n
        j = p - r * n
        i = squashed(gates[r, j] + bias[r, j])
        f = squashed(gates[r, n + j] + bias[r, n + j])
        g = tanh(gates[r, 2 * n + j] + bias[r, 2 * n + j])
        gates[r, j], gates[r, n + j], gates[r, 2 * n + j] = i, f, g
        c[r, j] = f * before[r, j] + i * g if t < lengths[r] else before[r, j]


@cuda_kernel
def lstm_output(gates, bias, lengths, t, c, before, h):
    """o in the place of its pre-activation and h = o * tanh(c)."""
    p = cuda.grid(1)
    rows, n = c.shape
    if p < rows * n:
        r = p // n
        j = p - r * n
        o = squashed(gates[r, 3 * n + j] + bias[r, 3 * n + j])
        gates[r, 3 * n + j] = o
        h[r, j] = o * tanh(c[r, j]) if t < lengths[r] else before[r, j]


@cuda_kernel
def lstm_output_backward(gates, c, g, silent, mask, lengths, t, dh, dc, delta):
    """delta_o, and dc gains dL/dc through the output; dh, where it is used, becomes zero."""
    p = cuda.grid(1)
    rows, n = c.shape
    if p < rows * n:
        r = p // n
        j = p - r * n
        if t >= lengths[r]:
            delta[r, 3 * n + j] = real(0)
        else:
            above = dh[r, j] + arriving(g, mask, r, j, silent)
            dh[r, j] = real(0)
            delta[r, 3 * n + j], gained = through_output(gates[r, 3 * n + j], tanh(c[r, j]), above)
            dc[r, j] += gained


@cuda_kernel
def lstm_cell_backward(gates, before, lengths, t, dc, delta):
    """delta_i, delta_f, delta_g; dc becomes that of the step before."""
    p = cuda.grid(1)
    rows, n = dc.shape
    if p < rows * n:
        r = p // n
        j = p - r * n
        if t >= lengths[r]:
            for q in range(3):
                delta[r, q * n + j] = real(0)
        else:
            f, cell = gates[r, n + j], dc[r, j]
            errors = through_cell(gates[r, j], f, gates[r, 2 * n + j], before[r, j], cell)
            delta[r, j], delta[r, n + j], delta[r, 2 * n + j] = errors
            dc[r, j] = cell * f


@cuda_kernel
def gru_reset(reset, keep, m, bias, after, before):
    """r and z in the place of their pre-activations, (R, N); m gains b_rec, or becomes r * before. bias (4, R, N)."""
    p = cuda.grid(1)
    rows, n = m.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        r = squashed(reset[i, j] + bias[0, i, j])
        reset[i, j] = r
        keep[i, j] = squashed(keep[i, j] + bias[1, i, j])
        m[i, j] = m[i, j] + bias[3, i, j] if after else r * before[i, j]


@cuda_kernel
def gru_state(reset, keep, new, m, bias, after, lengths, t, before, h):
    """n in the place of its pre-activation, (R, N), and h = (1 - z) n + z before."""
    p = cuda.grid(1)
    rows, n = h.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        value = new[i, j] + bias[2, i, j]
        value = tanh(value + reset[i, j] * m[i, j] if after else value)
        new[i, j] = value
        h[i, j] = value + keep[i, j] * (before[i, j] - value) if t < lengths[i] else before[i, j]


@cuda_kernel
def gru_state_backward(reset, keep, new, m, g, silent, mask, after, lengths, t, before, dh, delta):
    """delta_z, delta_n, with the reset after also delta_r and e, all of delta (4, R, N); dh becomes dh * z."""
    p = cuda.grid(1)
    rows, n = dh.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        if t >= lengths[i]:
            for q in range(4):
                delta[q, i, j] = real(0)
        else:
            above, z, r = dh[i, j] + arriving(g, mask, i, j, silent), keep[i, j], reset[i, j]
            d_z, d_n = through_mix(z, new[i, j], before[i, j], above)
            delta[1, i, j], delta[2, i, j] = d_z, d_n
            dh[i, j] = above * z
            if after:
                delta[3, i, j] = d_n * r
                delta[0, i, j] = through_reset(d_n, m[i, j], r)


@cuda_kernel
def gru_reset_backward(reset, e, before, lengths, t, dh, delta):
    """With the reset before: delta_r (R, N) from e = delta_n W_rec[n]^T; dh gains e * r."""
    p = cuda.grid(1)
    rows, n = dh.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        if t < lengths[i]:
            r = reset[i, j]
            delta[i, j] = through_reset(e[i, j], before[i, j], r)
            dh[i, j] += e[i, j] * r
        else:
            delta[i, j] = real(0)


def lstm_states(gates, bias, w, peephole, lengths, h, c):
    """h and c (T+1, R, N) from row 0 on, gates (T, R, 4N) in the place of x W_in; w (N, 4N), peephole (N, N) or
    empty."""
    rows, n = h.shape[1:]
    cell, output = (kernel.each(rows * n, h.dtype) for kernel in (lstm_cell, lstm_output))
    for t, now in enumerate(gates):
        now += h[t] @ w
        cell(now, bias, lengths, t, c[t], c[t + 1])
        if peephole.shape[0]:
            now[:, 3 * n :] += c[t + 1] @ peephole
        output(now, bias, lengths, t, c[t + 1], h[t], h[t + 1])


def lstm_deltas(g, first, mask, w, peephole, lengths, gates, c, delta, dh, dc):
    """delta (T, R, 4N) from g (T, R, N) times the mask, nothing before step `first`; w and peephole are transposed. dh
    and dc (R, N) become those of step 0."""
    rows, n = dh.shape
    output, cell = (kernel.each(rows * n, dh.dtype) for kernel in (lstm_output_backward, lstm_cell_backward))
    for t in reversed(range(len(gates))):
        output(gates[t], c[t + 1], g[t], int(t < first), mask, lengths, t, dh, dc, delta[t])
        if peephole.shape[0]:
            dc += delta[t][:, 3 * n :] @ peephole
        cell(gates[t], c[t], lengths, t, dc, delta[t])
        dh += delta[t] @ w


def gru_states(gates, bias, w, after, lengths, h):
    """h (T+1, R, N) from row 0 on; of gates (4, T, R, N) r, z, n stand in the place of x W_in; w (3, N, N)."""
    rows, n = h.shape[1:]
    reset, state = (kernel.each(rows * n, h.dtype) for kernel in (gru_reset, gru_state))
    for t in range(h.shape[0] - 1):
        before, (r, z, new, m) = h[t], gates[:, t]
        r += before @ w[0]
        z += before @ w[1]
        if after:
            m[...] = before @ w[2]
        reset(r, z, m, bias, after, before)
        if not after:
            new += m @ w[2]
        state(r, z, new, m, bias, after, lengths, t, before, h[t + 1])


def gru_deltas(g, first, mask, w, after, lengths, gates, h, delta, dh):
    """delta (4, T, R, N) of r, z, n and e from g (T, R, N) times the mask, nothing before step `first`; w is
    transposed. dh (R, N) becomes that of step 0."""
    rows, n = dh.shape
    state, reset = (kernel.each(rows * n, dh.dtype) for kernel in (gru_state_backward, gru_reset_backward))
    for t in reversed(range(delta.shape[1])):
        (r, z, new, m), errors = gates[:, t], delta[:, t]
        d_r, d_z, d_n, e = errors
        state(r, z, new, m, g[t], int(t < first), mask, after, lengths, t, h[t], dh, errors)
        if not after:
            e[...] = d_n @ w[2]
            reset(r, e, h[t], lengths, t, dh, d_r)
        dh += d_r @ w[0] + d_z @ w[1]
        if after:
            dh += e @ w[2]
