"""Gates of one unit of one sequence and what flows back through them, for the CUDA kernels of `gate_steps.py` and
`spread_gates.py`. Equations in `lstm.py` and `gru.py`."""

from __future__ import annotations

from npr.kernels.cuda_target import real
from npr.kernels.pointwise import tanh


def squashed(a):
    """sigmoid(a) = 1/2 + tanh(a / 2) / 2."""
    half = real(0.5)
    return half + half * tanh(half * a)


def arriving(g, mask, i, j, silent):
    """mask * g of one unit, or g where mask is empty; zero if it is silent."""
    if silent:
        return real(0)
    return g[i, j] * mask[i, j] if mask.shape[0] else g[i, j]


def through_output(o, bent, dh):
    """delta_o, and what dc gains, from dL/dh of h = o * bent with bent = tanh(c)."""
    one = real(1)
    passed = dh * o
    return passed * bent * (one - o), passed * (one - bent * bent)


def through_cell(i, f, g, before, dc):
    """delta_i, delta_f, delta_g from dL/dc of c = f * before + i * g."""
    one = real(1)
    return dc * i * g * (one - i), dc * f * before * (one - f), dc * i * (one - g * g)


def through_mix(z, new, before, dh):
    """delta_z and delta_n from dL/dh of h = (1 - z) n + z before."""
    one = real(1)
    return dh * (before - new) * z * (one - z), dh * (one - z) * (one - new * new)


def through_reset(e, m, r):
    """delta_r from e = dL/d(r m)."""
    return e * m * r * (real(1) - r)
