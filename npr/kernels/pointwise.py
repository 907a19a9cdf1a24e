"""Scalar functions of the cells, each written once; the slope is a function of the output alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from npr.kernels.jit import OPTIONS, inline

# An integer instead of a captured function: kernels that close over functions never reach the disk cache.
RELU, TANH, IDENTITY, SIGMOID, MODRELU, COMPLEX_MODRELU = 0, 1, 2, 3, 4, 5
CODES = {
    "relu": RELU,
    "tanh": TANH,
    "identity": IDENTITY,
    "sigmoid": SIGMOID,
    "modrelu": MODRELU,
    "complex-modrelu": COMPLEX_MODRELU,
}

# Odd over even polynomial for tanh on [-7.905, 7.905], largest error 2.4e-7 in float32; the coefficients are
# those of Eigen (ptanh_float). It runs in vector lanes, the library's tanh does not: 0.24 against 16 ns each.
_LIMIT = np.float32(7.90531110763549805)
_P13, _P11 = np.float32(-2.76076847742355e-16), np.float32(2.00018790482477e-13)
_P9, _P7 = np.float32(-8.60467152213735e-11), np.float32(5.12229709037114e-08)
_P5, _P3 = np.float32(1.48572235717979e-05), np.float32(6.37261928875436e-04)
_P1 = np.float32(4.89352455891786e-03)
_Q6, _Q4 = np.float32(1.19825839466702e-06), np.float32(1.18534705686654e-04)
_Q2, _Q0 = np.float32(2.26843463243900e-03), np.float32(4.89352518554385e-03)
_HALF = np.float32(0.5)
# EUNN adds this to |a|, so that 1 / r stays bounded.
_EUNN = 0.01


def tanh(x):
    """tanh(x): rational in float32, the library's in float64."""
    return math.tanh(x)


_JIT: Any = OPTIONS


@overload(tanh, jit_options=_JIT)
def _tanh(x):
    if x != types.float32:
        return lambda x: math.tanh(x)

    def rational(x):
        # Comparisons in this form let NaN through.
        x = _LIMIT if x > _LIMIT else (-_LIMIT if x < -_LIMIT else x)
        s = x * x
        p = (((((_P13 * s + _P11) * s + _P9) * s + _P7) * s + _P5) * s + _P3) * s + _P1
        q = ((_Q6 * s + _Q4) * s + _Q2) * s + _Q0
        return x * p / q

    return rational


def sigmoid(x):
    """1 / (1 + exp(-x)) as 1/2 + tanh(x / 2) / 2, which cannot overflow."""
    return 0.5 + 0.5 * math.tanh(0.5 * x)


@overload(sigmoid, jit_options=_JIT)
def _sigmoid(x):
    if x != types.float32:
        return lambda x: 0.5 + 0.5 * math.tanh(0.5 * x)
    return lambda x: _HALF + _HALF * tanh(_HALF * x)


@inline
def modrelu(a, offset, zero):
    """sign(a) max(|a| + offset, 0), 0 at a = 0; NaN stays NaN. Source: arXiv 1511.06464, real form."""
    r = abs(a) + offset
    if r <= zero:
        return zero
    return r if a > zero else (-r if a < zero else a * r)


@inline
def activate(code, a, zero):
    """f(a); `zero` carries the dtype, since a literal would widen float32. NaN stays NaN."""
    if code == RELU:
        return zero if a < zero else a
    if code == TANH:
        return tanh(a)
    return a


@inline
def through(code, g, h, zero):
    """g f'(a), the slope taken from h = f(a); relu'(0) = 0."""
    if code == RELU:
        return g if h > zero else zero
    if code == TANH:
        return g - g * h * h
    return g


@inline
def clip(value, limit):
    """value limited to [-limit, limit]; NaN stays NaN."""
    return limit if value > limit else (-limit if value < -limit else value)


@inline
def eunn_modrelu(a_re, a_im, offset, real, out):
    """out (2n,) = f(a) for one row."""
    n = offset.shape[0]
    zero = offset.dtype.type(0)
    epsilon = offset.dtype.type(_EUNN)
    h_re, h_im = out[:n], out[n:]
    for j in range(n):
        r = math.sqrt(a_re[j] * a_re[j] + a_im[j] * a_im[j]) + epsilon
        top = r + offset[j]
        top = zero if top < zero else top
        if real:
            h_re[j] = top if a_re[j] > zero else (-top if a_re[j] < zero else a_re[j])
        else:
            h_re[j] = a_re[j] / r * top
    for j in range(n):
        r = math.sqrt(a_re[j] * a_re[j] + a_im[j] * a_im[j]) + epsilon
        top = r + offset[j]
        top = zero if top < zero else top
        h_im[j] = a_im[j] / r * top


@inline
def eunn_modrelu_backward(a_re, a_im, offset, real, g_re, g_im, d_offset):
    """In place g <- dL/da from g = dL/df for one row; adds to d_offset (n,)."""
    zero = offset.dtype.type(0)
    epsilon = offset.dtype.type(_EUNN)
    for j in range(offset.shape[0]):
        size = math.sqrt(a_re[j] * a_re[j] + a_im[j] * a_im[j])
        r = size + epsilon
        b = offset[j]
        along = g_re[j] * a_re[j] + g_im[j] * a_im[j]
        if r + b < zero:
            g_re[j] = zero
            g_im[j] = zero
        elif real:
            d_offset[j] += g_re[j] if a_re[j] > zero else (-g_re[j] if a_re[j] < zero else zero)
        else:
            d_offset[j] += along / r
            back = b * along / (r * r * size) if size > zero else zero
            grow = b / r
            g_re[j] += grow * g_re[j] - back * a_re[j]
            g_im[j] += grow * g_im[j] - back * a_im[j]
