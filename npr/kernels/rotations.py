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

from npr.arrays import namespace
from npr.errors import BackendError
from npr.kernels import product
from npr.kernels.cuda_target import cuda, cuda_kernel, real, target
from npr.kernels.jit import parallel_kernel
from npr.kernels.layout import gate_of, masked_tile, rows_of
from npr.kernels.pointwise import eunn_modrelu, eunn_modrelu_backward
from npr.kernels.rotate import (
    Rotations,
    rotate,
    rotate_backward,
    rotate_shared,
    rotate_shared_backward,
    thread_and_threads,
)
from npr.kernels.scan import silence
from npr.kernels.tile import multiply, multiply_transposed

Array = np.ndarray


class RotationGrads(NamedTuple):
    """Gradients of each slice; the kernel adds to them."""

    weight: Array  # (S, K, 2n) of U
    theta: Array  # (S, L, m)
    phi: Array  # (S, L, m)
    omega: Array  # (S, n)
    offset: Array  # (S, n)


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


@cuda_kernel
def sequence_forward(z, table, layers, fft, offset, complex_too, lengths, h):
    """States h (T+1, R, 2n) from pre-activations z (T, R, 2n) without their rotated part, a block for each sequence."""
    start, step = thread_and_threads()
    n, i = offset.shape[0], 0 + cuda.blockIdx.x
    shared = cuda.shared.array(0, real)
    row, spare, out = shared[: 2 * n], shared[2 * n : 4 * n], cuda.local.array(2, real)
    for j in range(start, n, step):
        row[j], row[n + j] = h[0, i, j], h[0, i, n + j]
    cuda.syncthreads()
    for t in range(z.shape[0]):
        if t < lengths[i]:
            rotate_shared(row, spare, table, layers, fft)
            for j in range(start, n, step):
                row[j] += z[t, i, j]
                row[n + j] += z[t, i, n + j]
                eunn_modrelu(row[j : j + 1], row[n + j : n + j + 1], offset[j : j + 1], complex_too == 0, out)
                row[j], row[n + j] = out[0], out[1]
        for j in range(start, n, step):
            h[t + 1, i, j], h[t + 1, i, n + j] = row[j], row[n + j]
        cuda.syncthreads()


@cuda_kernel
def sequence_backward(z, table, layers, fft, offset, complex_too, lengths, h, g, first, gate, carry, sums, d_offset):
    """z becomes delta, all (T, R, 2n); see `rotate_shared_backward` for sums (R, layers + 1, 2, m). d_offset (R, n)."""
    start, step = thread_and_threads()
    n, i = offset.shape[0], 0 + cuda.blockIdx.x
    shared = cuda.shared.array(0, real)
    row, spare = shared[: 2 * n], shared[2 * n : 4 * n]
    back = shared[4 * n : 6 * n]
    for j in range(start, n, step):
        back[j], back[n + j] = carry[i, j], carry[i, n + j]
    for q in range(z.shape[0]):
        t = z.shape[0] - 1 - q
        if t >= lengths[i]:
            for j in range(start, 2 * n, step):
                z[t, i, j] = real(0)
            continue
        for j in range(start, n, step):
            row[j], row[n + j] = h[t, i, j], h[t, i, n + j]
        cuda.syncthreads()
        rotate_shared(row, spare, table, layers, fft)
        for j in range(start, n, step):
            if t >= first:
                back[j] += gate[i, j] * g[t, i, j] if gate.shape[0] else g[t, i, j]
            spare[j], spare[n + j] = row[j] + z[t, i, j], row[n + j] + z[t, i, n + j]
            eunn_modrelu_backward(
                spare[j : j + 1], spare[n + j : n + j + 1], offset[j : j + 1], complex_too == 0,
                back[j : j + 1], back[n + j : n + j + 1], d_offset[i, j : j + 1],
            )  # fmt: skip
            z[t, i, j], z[t, i, n + j] = back[j], back[n + j]
        cuda.syncthreads()
        rotate_shared_backward(row, back, spare, table, layers, fft, sums[i])
    cuda.syncthreads()
    for j in range(start, n, step):
        carry[i, j], carry[i, n + j] = back[j], back[n + j]


@cuda_kernel
def matrix_rows(table, layers, fft, out):
    """`rotations_matrix`, a block for each row."""
    start, step = thread_and_threads()
    n, i = out.shape[0] // 2, 0 + cuda.blockIdx.x
    shared = cuda.shared.array(0, real)
    row, spare = shared[: 2 * n], shared[2 * n : 4 * n]
    for j in range(start, n, step):
        row[j], row[n + j] = real(1 if i == j else 0), real(1 if i == n + j else 0)
    cuda.syncthreads()
    rotate_shared(row, spare, table, layers, fft)
    for j in range(start, n, step):
        out[i, j], out[i, n + j] = row[j], row[n + j]


def _table(rot):
    """(L + 1, 4, m): cos and sin of theta and of phi of every layer, and behind them those of omega."""
    xp, (layers, m) = namespace(rot.cos), rot.cos.shape
    table = xp.empty((layers + 1, 4, m), rot.cos.dtype)
    for k, part in enumerate((rot.cos, rot.sin, rot.cos_phase, rot.sin_phase)):
        table[:layers, k] = part
    table[layers, :2], table[layers, 2:] = rot.cos_last.reshape(2, m), rot.sin_last.reshape(2, m)
    return table


class Device:
    """The same on a CUDA device; w is U (K, 2n) itself and w_back its transpose."""

    Rotations, RotationGrads = Rotations, RotationGrads

    @staticmethod
    def _blocks(xp, kernel, count, n, rows, dtype):
        needed, held = rows * n * dtype.itemsize, target().shared_bytes(xp)
        if needed > held:
            most = held // (rows * dtype.itemsize)
            raise BackendError(
                f"EURNN's rotations of {n} units need {needed} bytes of a block's shared memory, and there are {held}: "
                f"at most {most} units in {dtype}. Use --device cpu."
            )
        return kernel.blocks(count, min(target().threads, max(1, n // 2)), dtype, needed)

    @classmethod
    def rotations_forward(cls, x, mask, w, rot, h):
        """`rotations_forward`."""
        (rows, wide), n = h.shape[2:], h.shape[3] // 2
        z = namespace(x).empty((h.shape[1] - 1, rows, wide), h.dtype)
        product.multiply(product.value_of(x, mask, w.shape[0]), w, z, False)
        choices = _table(rot), rot.cos.shape[0], int(rot.fft), rot.offset, int(not rot.real)
        cls._blocks(namespace(x), sequence_forward, rows, n, 4, h.dtype)(z, *choices, rot.lengths[0], h[0])

    @classmethod
    def rotations_backward(cls, x, mask, w, w_back, rot, h, g, g_mask, first, gx, grads, carry):
        """`rotations_backward`."""
        xp, (rows, wide), n, (layers, m) = namespace(x), h.shape[2:], h.shape[3] // 2, rot.cos.shape
        delta = xp.empty((h.shape[1] - 1, rows, wide), h.dtype)
        value = product.value_of(x, mask, w.shape[0])
        product.multiply(value, w, delta, False)
        sums, d_offset = xp.zeros((rows, layers + 1, 2, m), h.dtype), xp.zeros((rows, n), h.dtype)
        gate = product.gate_of_batch(g_mask)
        choices = _table(rot), layers, int(rot.fft), rot.offset, int(not rot.real)
        cls._blocks(xp, sequence_backward, rows, n, 6, h.dtype)(
            delta, *choices, rot.lengths[0], h[0], g[0, 1:], first, gate, carry[0], sums, d_offset
        )
        total = sums.sum(0)
        grads.theta[0] += total[:layers, 0]
        grads.phi[0] += total[:layers, 1]
        grads.omega[0] += total[layers].reshape(n)
        grads.offset[0] += d_offset.sum(0)
        product.multiply_transposed(value, delta, grads.weight[0])
        if gx.shape[0]:
            product.multiply(delta, w_back, gx[0, 1:, :, : w_back.shape[1]], False)

    @classmethod
    def rotations_matrix(cls, rot, out):
        """`rotations_matrix`."""
        n = out.shape[0] // 2
        table = _table(rot)
        cls._blocks(namespace(out), matrix_rows, 2 * n, n, 4, out.dtype)(table, rot.cos.shape[0], int(rot.fft), out)
