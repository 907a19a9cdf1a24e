"""Rot, a product of plane rotations, on one row of units and back; O(n L). Equations in `rotations.py`.

On a CUDA device a block has one sequence, its state in shared memory and a thread for each pair: the pairs of a layer
are disjoint, so only layers wait for each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.kernels.cuda_target import cuda
from npr.kernels.jit import inline

Array = np.ndarray


class Rotations(NamedTuple):
    """Coefficients of Rot and f, and how the batch is cut; L layers of up to m = n/2 pairs."""

    cos: Array  # (L, m) of theta
    sin: Array  # (L, m)
    cos_phase: Array  # (L, m) of phi
    sin_phase: Array  # (L, m)
    cos_last: Array  # (n,) of omega
    sin_last: Array  # (n,)
    offset: Array  # (n,) the b of f
    lengths: Array  # (S, R) int64
    steps: int  # time steps of one tile
    fft: bool
    real: bool


@inline
def _turn(re, im, cos, sin):
    """In place (re + i im) e^{i angle}."""
    for j in range(re.shape[0]):
        r = cos[j] * re[j] - sin[j] * im[j]
        im[j] = sin[j] * re[j] + cos[j] * im[j]
        re[j] = r


@inline
def _mix(p, q, w, cos, sin):
    """p, q <- cos p - sin w, sin p + cos w. One array is written per loop: with more LLVM does not vectorise."""
    for j in range(p.shape[0]):
        q[j] = sin[j] * p[j] + cos[j] * w[j]
    for j in range(p.shape[0]):
        p[j] = cos[j] * p[j] - sin[j] * w[j]


@inline
def _unmix(p, q, w, cos, sin):
    """The inverse: w <- cos q - sin p, p <- cos p + sin q."""
    for j in range(p.shape[0]):
        w[j] = cos[j] * q[j] - sin[j] * p[j]
    for j in range(p.shape[0]):
        p[j] = cos[j] * p[j] + sin[j] * q[j]


@inline
def _phase(re, im, cos, sin, out_re, out_im):
    """out = (re + i im) e^{i angle}."""
    for j in range(re.shape[0]):
        out_re[j] = cos[j] * re[j] - sin[j] * im[j]
    for j in range(re.shape[0]):
        out_im[j] = sin[j] * re[j] + cos[j] * im[j]


@inline
def _unphase(re, im, cos, sin, out_re, out_im):
    """out = (re + i im) e^{-i angle}."""
    for j in range(re.shape[0]):
        out_re[j] = cos[j] * re[j] + sin[j] * im[j]
    for j in range(re.shape[0]):
        out_im[j] = cos[j] * im[j] - sin[j] * re[j]


@inline
def _shuffle(x, spare):
    """Perfect shuffle: 0, m, 1, m + 1, ..."""
    m = x.shape[0] // 2
    for j in range(m):
        spare[2 * j] = x[j]
        spare[2 * j + 1] = x[m + j]
    x[:] = spare


@inline
def _unshuffle(x, spare):
    """The inverse of `_shuffle`."""
    m = x.shape[0] // 2
    for j in range(m):
        spare[j] = x[2 * j]
        spare[m + j] = x[2 * j + 1]
    x[:] = spare


@inline
def _places(layer, n, fft):
    """Where the p and the q of a layer begin, and how many pairs there are."""
    m = n // 2
    if fft or layer % 2 == 0:
        return 0, m, m
    return m, 1, m - 1


@inline
def rotate(re, im, rot, w, spare):
    """In place Rot of one row; w (2, m) and spare (n,) are scratch."""
    n = re.shape[0]
    for layer in range(rot.cos.shape[0]):
        p, q, m = _places(layer, n, rot.fft)
        cos, sin = rot.cos[layer, :m], rot.sin[layer, :m]
        w_re, w_im = w[0, :m], w[1, :m]
        _phase(re[q : q + m], im[q : q + m], rot.cos_phase[layer], rot.sin_phase[layer], w_re, w_im)
        _mix(re[p : p + m], re[q : q + m], w_re, cos, sin)
        _mix(im[p : p + m], im[q : q + m], w_im, cos, sin)
        if rot.fft:
            _shuffle(re, spare)
            _shuffle(im, spare)
    _turn(re, im, rot.cos_last, rot.sin_last)


@inline
def rotate_backward(re, im, g_re, g_im, rot, w, v, spare, d_theta, d_phi, d_omega):
    """Undo `rotate` on the row (re, im) and carry the gradient g through; w and v (2, m), spare (n,) are scratch."""
    n = re.shape[0]
    for j in range(n):
        d_omega[j] += g_im[j] * re[j] - g_re[j] * im[j]
    for part_re, part_im in ((re, im), (g_re, g_im)):
        for j in range(n):
            r = rot.cos_last[j] * part_re[j] + rot.sin_last[j] * part_im[j]
            part_im[j] = rot.cos_last[j] * part_im[j] - rot.sin_last[j] * part_re[j]
            part_re[j] = r
    layers = rot.cos.shape[0]
    for k in range(layers):
        layer = layers - 1 - k
        if rot.fft:
            for row in (re, im, g_re, g_im):
                _unshuffle(row, spare)
        p, q, m = _places(layer, n, rot.fft)
        cos, sin = rot.cos[layer, :m], rot.sin[layer, :m]
        w_re, w_im, v_re, v_im = w[0, :m], w[1, :m], v[0, :m], v[1, :m]
        turned, phased = d_theta[layer], d_phi[layer]
        for row, g in ((re, g_re), (im, g_im)):
            x_p, x_q, g_p, g_q = row[p : p + m], row[q : q + m], g[p : p + m], g[q : q + m]
            for j in range(m):
                turned[j] += g_q[j] * x_p[j] - g_p[j] * x_q[j]
        _unmix(re[p : p + m], re[q : q + m], w_re, cos, sin)
        _unmix(im[p : p + m], im[q : q + m], w_im, cos, sin)
        _unmix(g_re[p : p + m], g_re[q : q + m], v_re, cos, sin)
        _unmix(g_im[p : p + m], g_im[q : q + m], v_im, cos, sin)
        for j in range(m):
            phased[j] += v_im[j] * w_re[j] - v_re[j] * w_im[j]
        cos, sin = rot.cos_phase[layer], rot.sin_phase[layer]
        _unphase(w_re, w_im, cos, sin, re[q : q + m], im[q : q + m])
        _unphase(v_re, v_im, cos, sin, g_re[q : q + m], g_im[q : q + m])


def thread_and_threads():
    """Number of a thread in its block, and how many there are; signed, for numba compares with unsigned in double."""
    return 0 + cuda.threadIdx.x, 0 + cuda.blockDim.x


def pair(layer, k, n, fft):
    """Units p and q of pair k of a layer in the order that rows have at its beginning; q < 0 where there is none."""
    m = n // 2
    if fft or layer % 2 == 0:
        return k, m + k
    return m + k, k + 1 if k < m - 1 else -1


def rotate_shared(row, spare, rot, layers, fft):
    """In place Rot of a row [Re | Im] (2n,) in shared memory, by all threads of a block.

    rot (layers + 1, 4, m): cos and sin of theta and of phi of every layer, behind them those of omega.
    """
    start, step = thread_and_threads()
    n = row.shape[0] // 2
    m = n // 2
    for layer in range(layers):
        for k in range(start, m, step):
            p, q = pair(layer, k, n, fft)
            if q >= 0:
                cos, sin, c, s = rot[layer, 0, k], rot[layer, 1, k], rot[layer, 2, k], rot[layer, 3, k]
                re = c * row[q] - s * row[n + q]
                im = s * row[q] + c * row[n + q]
                p_re, p_im = row[p], row[n + p]
                row[p], row[n + p] = cos * p_re - sin * re, cos * p_im - sin * im
                row[q], row[n + q] = sin * p_re + cos * re, sin * p_im + cos * im
        cuda.syncthreads()
        if fft:
            shuffle_shared(row, spare, start, step, False)
    for j in range(start, n, step):
        c, s = rot[layers, j // m, j % m], rot[layers, 2 + j // m, j % m]
        re = c * row[j] - s * row[n + j]
        row[n + j] = s * row[j] + c * row[n + j]
        row[j] = re
    cuda.syncthreads()


def shuffle_shared(row, spare, start, step, inverse):
    """Perfect shuffle of both parts of a row (2n,), 0, m, 1, m + 1, ..., or its inverse."""
    n = row.shape[0] // 2
    m = n // 2
    for j in range(start, n, step):
        k = j // 2 if j % 2 == 0 else m + j // 2
        if inverse:
            k = 2 * j if j < m else 2 * (j - m) + 1
        spare[j], spare[n + j] = row[k], row[n + k]
    cuda.syncthreads()
    for j in range(start, n, step):
        row[j], row[n + j] = spare[j], spare[n + j]
    cuda.syncthreads()


def rotate_shared_backward(row, g, spare, rot, layers, fft, sums):
    """Undo `rotate_shared` on a row and carry its gradient g through, both (2n,) in shared memory. sums (layers + 1,
    2, m) of this block gain d_theta and d_phi of every layer, and behind them d_omega."""
    start, step = thread_and_threads()
    n = row.shape[0] // 2
    m = n // 2
    for j in range(start, n, step):
        sums[layers, j // m, j % m] += g[n + j] * row[j] - g[j] * row[n + j]
        c, s = rot[layers, j // m, j % m], rot[layers, 2 + j // m, j % m]
        re = c * row[j] + s * row[n + j]
        row[n + j] = c * row[n + j] - s * row[j]
        row[j] = re
        re = c * g[j] + s * g[n + j]
        g[n + j] = c * g[n + j] - s * g[j]
        g[j] = re
    cuda.syncthreads()
    for back in range(layers):
        layer = layers - 1 - back
        if fft:
            shuffle_shared(row, spare, start, step, True)
            shuffle_shared(g, spare, start, step, True)
        for k in range(start, m, step):
            p, q = pair(layer, k, n, fft)
            if q >= 0:
                cos, sin, c, s = rot[layer, 0, k], rot[layer, 1, k], rot[layer, 2, k], rot[layer, 3, k]
                turned = g[q] * row[p] - g[p] * row[q] + g[n + q] * row[n + p] - g[n + p] * row[n + q]
                sums[layer, 0, k] += turned
                w_re, w_im = cos * row[q] - sin * row[p], cos * row[n + q] - sin * row[n + p]
                v_re, v_im = cos * g[q] - sin * g[p], cos * g[n + q] - sin * g[n + p]
                row[p], row[n + p] = cos * row[p] + sin * row[q], cos * row[n + p] + sin * row[n + q]
                g[p], g[n + p] = cos * g[p] + sin * g[q], cos * g[n + p] + sin * g[n + q]
                sums[layer, 1, k] += v_im * w_re - v_re * w_im
                row[q], row[n + q] = c * w_re + s * w_im, c * w_im - s * w_re
                g[q], g[n + q] = c * v_re + s * v_im, c * v_im - s * v_re
        cuda.syncthreads()
