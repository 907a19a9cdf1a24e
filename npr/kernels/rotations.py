"""The recurrence of EURNN, h_t = f(x_t U + Rot(h_{t-1})), Rot a product of plane rotations; O(n L) for each row.

States are complex, stored as [Re | Im] in 2n columns; U is [Re | Im] too. A layer rotates pairs of units (p, q):

    w = e^{i phi} x_q,   y_p = cos(th) x_p - sin(th) w,   y_q = sin(th) x_p + cos(th) w

and after all layers y <- e^{i om} y. With m = n/2 the layers pair views, so that all loops run along units:
tunable style: even layers pair unit j with m + j, odd layers m + j with j + 1 (units 0..m-1 are the even ones of the
paper, m..n-1 the odd ones; which name a unit has makes no difference); FFT style: j with m + j, then a perfect
shuffle, so that layer i pairs units whose numbers differ in bit k-1-i. f is EUNN's modReLU with r = |a| + 0.01:

    complex: f(a) = (a / r) max(r + b, 0);   real: f(a) = sign(a) max(r + b, 0)

Backward, with g = dL/dRe + i dL/dIm: rotations are inverted in place, so no layer is stored,

    dth = Re(conj(g_q) y_p - conj(g_p) y_q),  g_w = cos(th) g_q - sin(th) g_p,  dphi = Re(conj(g_w) i w),
    g_xp = cos(th) g_p + sin(th) g_q,  g_xq = e^{-i phi} g_w;
    f: g_a = (1 + b/r) g - (b/r^2) (a/|a|) Re(conj(g) a),  db = Re(conj(g) a) / r, both where r + b > 0.

Source: arXiv 1612.05231; jingli9111/EUNN-tensorflow, eunn.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import prange

from npr.kernels.diagonal import gate_of, masked_tile, rows_of, silence
from npr.kernels.jit import inline, parallel_kernel
from npr.kernels.pointwise import eunn_modrelu, eunn_modrelu_backward
from npr.kernels.tile import multiply, multiply_transposed

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


class RotationGrads(NamedTuple):
    """Gradients of each slice; the kernel adds to them."""

    weight: Array  # (S, K, 2n) of U
    theta: Array  # (S, L, m)
    phi: Array  # (S, L, m)
    omega: Array  # (S, n)
    offset: Array  # (S, n)


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


@parallel_kernel
def rotations_forward(x, mask, panels, rot, h):
    """h (S, T+1, R, 2n) from its row 0 on; x (S, T+1, R, >= K), mask (S, R, K) or empty, panels pack U (K, 2n)."""
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3] // 2
    width = panels.shape[1]
    for s in prange(slices):
        z = np.empty((rot.steps * rows, 2 * n), h.dtype)
        scratch = np.empty((rot.steps * rows, width), h.dtype)
        v, w, spare = np.empty(2 * n, h.dtype), np.empty((2, n // 2), h.dtype), np.empty(n, h.dtype)
        x_rows, h_rows, gate = rows_of(x[s]), rows_of(h[s]), gate_of(mask, s, width)
        for t0 in range(0, times, rot.steps):
            steps = min(rot.steps, times - t0)
            multiply(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), panels, z[: steps * rows], False)
            for r in range(steps * rows):
                now = (t0 + 1) * rows + r
                v[:] = h_rows[now - rows]
                if t0 + r // rows >= rot.lengths[s, r % rows]:
                    h_rows[now] = v
                    continue
                rotate(v[:n], v[n:], rot, w, spare)
                for j in range(2 * n):
                    v[j] += z[r, j]
                eunn_modrelu(v[:n], v[n:], rot.offset, rot.real, h_rows[now])


@parallel_kernel
def rotations_backward(x, mask, panels, panels_back, rot, h, g, g_mask, first, gx, grads, carry):
    """Backward of `rotations_forward`. g (S, T+1, R, >= n) times g_mask (S, R, n) or nothing is dL/dRe(h), zero before
    step `first`; panels_back pack U^T (2n, K).

    gx (S, T+1, R, >= K) or empty; grads gain sums over time; carry (S, R, 2n), dL/dh_T from outside, becomes dL/dh_0.
    """
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], h.shape[3] // 2
    width = panels.shape[1]
    tiles = -(-times // rot.steps)
    for s in prange(slices):
        delta = np.empty((rot.steps * rows, 2 * n), h.dtype)
        z = np.empty((rot.steps * rows, 2 * n), h.dtype)
        scratch = np.empty((rot.steps * rows, width), h.dtype)
        y, a = np.empty(2 * n, h.dtype), np.empty(2 * n, h.dtype)
        w, v = np.empty((2, n // 2), h.dtype), np.empty((2, n // 2), h.dtype)
        spare = np.empty(n, h.dtype)
        x_rows, h_rows, g_rows = rows_of(x[s]), rows_of(h[s]), rows_of(g[s])
        gate, g_gate = gate_of(mask, s, width), gate_of(g_mask, s, n)
        for k in range(tiles):
            t0 = (tiles - 1 - k) * rot.steps
            steps = min(rot.steps, times - t0)
            begin = (t0 + 1) * rows
            tile = delta[: steps * rows]
            silence(g_rows, 0, n, begin, min(max(first - t0, 0), steps) * rows)
            x_tile = masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows])
            multiply(x_tile, panels, z[: steps * rows], False)
            for q in range(steps * rows):
                r = steps * rows - 1 - q
                i = r % rows
                if t0 + r // rows >= rot.lengths[s, i]:
                    tile[r] = 0
                    continue
                y[:] = h_rows[begin + r - rows]
                rotate(y[:n], y[n:], rot, w, spare)
                for j in range(2 * n):
                    a[j] = y[j] + z[r, j]
                back = carry[s, i]
                g_now = g_rows[begin + r]
                if g_gate.shape[0]:
                    for j in range(n):
                        back[j] += g_gate[i, j] * g_now[j]
                else:
                    for j in range(n):
                        back[j] += g_now[j]
                eunn_modrelu_backward(a[:n], a[n:], rot.offset, rot.real, back[:n], back[n:], grads.offset[s])
                tile[r] = back
                rotate_backward(
                    y[:n], y[n:], back[:n], back[n:], rot, w, v, spare, grads.theta[s], grads.phi[s], grads.omega[s]
                )
            multiply_transposed(x_tile, tile, grads.weight[s])
            if gx.shape[0]:
                gx_rows = rows_of(gx[s])
                multiply(tile, panels_back, gx_rows[begin : begin + steps * rows, :width], False)


@parallel_kernel
def rotations_matrix(rot, out):
    """out (2n, 2n) <- the matrix of Rot for rows [Re | Im]: Rot(h) = h out."""
    n = out.shape[0] // 2
    for k in prange(2 * n):
        w, spare = np.empty((2, n // 2), out.dtype), np.empty(n, out.dtype)
        out[k] = 0
        out[k, k] = 1
        rotate(out[k, :n], out[k, n:], rot, w, spare)
