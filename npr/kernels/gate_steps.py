"""One step of the gated recurrences on a CUDA device, a thread for each unit of each sequence.

Equations in `lstm.py` and `gru.py`. A sequence that has ended at step t, counted from 0, keeps its states and what
flows back to them, and its deltas are zero.
"""

from __future__ import annotations

from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.pointwise import tanh


def _arriving(g, mask, i, j, silent):
    """mask * g of one unit, or g where mask is empty; zero if it is silent."""
    if silent:
        return real(0)
    return g[i, j] * mask[i, j] if mask.shape[0] else g[i, j]


@cuda_kernel
def lstm_cell(gates, bias, lengths, t, before, c):
    """i, f, g in the place of their pre-activations, gates and bias (R, 4N), and c = f * before + i * g (R, N)."""
    p = cuda.grid(1)
    rows, n = c.shape
    if p < rows * n:
        r = p // n
        j = p - r * n
        half = real(0.5)
        i = half + half * tanh(half * (gates[r, j] + bias[r, j]))
        f = half + half * tanh(half * (gates[r, n + j] + bias[r, n + j]))
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
        half = real(0.5)
        o = half + half * tanh(half * (gates[r, 3 * n + j] + bias[r, 3 * n + j]))
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
        one = real(1)
        if t >= lengths[r]:
            delta[r, 3 * n + j] = real(0)
        else:
            o, bent = gates[r, 3 * n + j], tanh(c[r, j])
            passed = (dh[r, j] + _arriving(g, mask, r, j, silent)) * o
            dh[r, j] = real(0)
            dc[r, j] += passed * (one - bent * bent)
            delta[r, 3 * n + j] = passed * bent * (one - o)


@cuda_kernel
def lstm_cell_backward(gates, before, lengths, t, dc, delta):
    """delta_i, delta_f, delta_g; dc becomes that of the step before."""
    p = cuda.grid(1)
    rows, n = dc.shape
    if p < rows * n:
        r = p // n
        j = p - r * n
        one = real(1)
        if t >= lengths[r]:
            for q in range(3):
                delta[r, q * n + j] = real(0)
        else:
            i, f, g, cell = gates[r, j], gates[r, n + j], gates[r, 2 * n + j], dc[r, j]
            delta[r, j] = cell * i * g * (one - i)
            delta[r, 2 * n + j] = cell * i * (one - g * g)
            delta[r, n + j] = cell * f * before[r, j] * (one - f)
            dc[r, j] = cell * f


@cuda_kernel
def gru_reset(reset, keep, m, bias, after, before):
    """r and z in the place of their pre-activations, (R, N); m gains b_rec, or becomes r * before. bias (4, R, N)."""
    p = cuda.grid(1)
    rows, n = m.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        half = real(0.5)
        r = half + half * tanh(half * (reset[i, j] + bias[0, i, j]))
        reset[i, j] = r
        keep[i, j] = half + half * tanh(half * (keep[i, j] + bias[1, i, j]))
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
        one = real(1)
        if t >= lengths[i]:
            for q in range(4):
                delta[q, i, j] = real(0)
        else:
            above = dh[i, j] + _arriving(g, mask, i, j, silent)
            z, value, r = keep[i, j], new[i, j], reset[i, j]
            d_n = above * (one - z) * (one - value * value)
            delta[1, i, j] = above * (before[i, j] - value) * z * (one - z)
            delta[2, i, j] = d_n
            dh[i, j] = above * z
            if after:
                delta[3, i, j] = d_n * r
                delta[0, i, j] = d_n * m[i, j] * r * (one - r)


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
            delta[i, j] = e[i, j] * before[i, j] * r * (real(1) - r)
            dh[i, j] += e[i, j] * r
        else:
            delta[i, j] = real(0)
