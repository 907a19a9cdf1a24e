"""Activations of a dense recurrence, a step at a time: all of them, pairs of units included.

modReLU, f(a) = sign(a) max(|a| + b, 0): f' = 1 and dL/db = sum sign(h) delta where h != 0, so like the other
activations it needs h alone. Complex modReLU takes units j and N/2 + j as Re and Im, f(a) = (a / |a|) max(|a| + b, 0):
along h the slope is 1, across it |h| / |a| with |a| = |h| - b. Source: arXiv 1511.06464.
"""

from __future__ import annotations

import math

from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.jit import inline
from npr.kernels.pointwise import COMPLEX_MODRELU, MODRELU, RELU, SIGMOID, TANH, modrelu, sigmoid, tanh


@inline
def pair_gain(re, im, offset, zero):
    """Factor of both parts under complex modReLU."""
    size = math.sqrt(re * re + im * im)
    top = size + offset
    return zero if top <= zero or size == zero else top / size


@inline
def pair_slope(g_re, g_im, h_re, h_im, offset, zero):
    """Both parts of dL/da from those of g = dL/dh; zero where |h| is."""
    square = h_re * h_re + h_im * h_im
    if square == zero:
        return zero, zero
    size = math.sqrt(square)
    across = size / (size - offset)
    along = (g_re * h_re + g_im * h_im) / square
    along -= across * along
    return across * g_re + along * h_re, across * g_im + along * h_im


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
        gain = pair_gain(re, im, offset[j], zero)
        h[j] = re * gain
        h[m + j] = im * gain


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
        d[j], d[m + j] = pair_slope(g[j], g[m + j], h[j], h[m + j], offset[j], zero)


def activated(code, value, offset):
    """f(a) of one unit, by a CUDA thread; complex modReLU is none of these."""
    if code == TANH:
        return tanh(value)
    if code == MODRELU:
        return modrelu(value, offset, real(0))
    if code == RELU:
        return real(0) if value < real(0) else value
    if code == SIGMOID:
        return real(0.5) + real(0.5) * tanh(real(0.5) * value)
    return value


def slope_of(code, d, h):
    """d f'(a) of one unit, the slope taken from h = f(a), by a CUDA thread."""
    if code == TANH:
        return d - d * h * h
    if code == MODRELU:
        return real(0) if h == real(0) else d
    if code == RELU:
        return d if h > real(0) else real(0)
    if code == SIGMOID:
        return d * (h - h * h)
    return d


@cuda_kernel
def activate_rows(a, bias, offset, code, lengths, t, before, h):
    """h (R, N) = f(a + bias), a thread for each unit or pair of each row; a sequence that has ended at step t, counted
    from 0, keeps its state `before`."""
    p = cuda.grid(1)
    rows, n = h.shape
    units = n // 2 if code == COMPLEX_MODRELU else n
    if p < rows * units:
        i = p // units
        j = p - i * units
        zero = real(0)
        if t >= lengths[i]:
            h[i, j] = before[i, j]
            if code == COMPLEX_MODRELU:
                h[i, units + j] = before[i, units + j]
        elif code == COMPLEX_MODRELU:
            re, im = a[i, j] + bias[i, j], a[i, units + j] + bias[i, units + j]
            gain = pair_gain(re, im, offset[i, j], zero)
            h[i, j] = re * gain
            h[i, units + j] = im * gain
        else:
            h[i, j] = activated(code, a[i, j] + bias[i, j], offset[i, j])


@cuda_kernel
def slope_rows(g, silent, mask, offset, code, lengths, t, carry, h, delta):
    """delta (R, N) = (carry + mask * g) f'(a), g only where it is not silent, a thread for each unit or pair of each
    row. Where a sequence has ended delta is zero and its carry stays; elsewhere the carry becomes zero."""
    p = cuda.grid(1)
    rows, n = delta.shape
    units = n // 2 if code == COMPLEX_MODRELU else n
    if p < rows * units:
        i = p // units
        j = p - i * units
        zero = real(0)
        for part in range(2 if code == COMPLEX_MODRELU else 1):
            k = j + part * units
            delta[i, k] = zero
            if t < lengths[i]:
                above = carry[i, k]
                if silent == 0:
                    above += g[i, k] * mask[i, k] if mask.shape[0] else g[i, k]
                delta[i, k] = above
                carry[i, k] = zero
        if t < lengths[i]:
            d, now = delta[i, j], h[i, j]
            if code == COMPLEX_MODRELU:
                k = units + j
                d, delta[i, k] = pair_slope(d, delta[i, k], now, h[i, k], offset[i, j], zero)
            else:
                d = slope_of(code, d, now)
            delta[i, j] = d
