"""Scalar functions of the cells, each written once; the slope is a function of the output alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from npr.kernels.jit import OPTIONS, inline

# An integer instead of a captured function: kernels that close over functions never reach the disk cache.
RELU, TANH, IDENTITY = 0, 1, 2
CODES = {"relu": RELU, "tanh": TANH, "identity": IDENTITY}

# Odd over even polynomial for tanh on [-7.905, 7.905], largest error 2.4e-7 in float32; the coefficients are
# those of Eigen (ptanh_float). It runs in vector lanes, the library's tanh does not: 0.24 against 16 ns each.
_LIMIT = np.float32(7.90531110763549805)
_P13, _P11 = np.float32(-2.76076847742355e-16), np.float32(2.00018790482477e-13)
_P9, _P7 = np.float32(-8.60467152213735e-11), np.float32(5.12229709037114e-08)
_P5, _P3 = np.float32(1.48572235717979e-05), np.float32(6.37261928875436e-04)
_P1 = np.float32(4.89352455891786e-03)
_Q6, _Q4 = np.float32(1.19825839466702e-06), np.float32(1.18534705686654e-04)
_Q2, _Q0 = np.float32(2.26843463243900e-03), np.float32(4.89352518554385e-03)


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
