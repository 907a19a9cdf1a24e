"""Equal IndRNN layers without norm or dropout between them, as one kernel.

A time tile goes through all layers before the next tile is touched, forwards and, from the last tile to the
first, backwards: gradients between layers never leave the second-level cache, only the states h are stored.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.kernels.jit import parallel_kernel
from npr.kernels.layout import rows_of
from npr.kernels.scan import Scan, Upstream, scan_tile, scan_tile_backward
from npr.kernels.tile import multiply, multiply_transposed


@parallel_kernel
def stack_forward(x, panels_in, panels, bias, u, scan, h):
    """States h (L, S, T+1, R, N) of all layers from x (S, T+1, R, D).

    panels_in packs W (D, N) of the first layer, panels (L-1, P, N, width) the others; bias (L, R, N), u (L, N).
    """
    layers, slices, times, rows, n = h.shape[0], h.shape[1], h.shape[2] - 1, h.shape[3], h.shape[4]
    for s in prange(slices):
        a = np.empty((scan.steps * rows, n), x.dtype)
        x_rows = rows_of(x[s])
        for t0 in range(0, times, scan.steps):
            steps = min(scan.steps, times - t0)
            first, last = (t0 + 1) * rows, (t0 + 1 + steps) * rows
            tile = a[: steps * rows]
            for l in range(layers):
                if l == 0:
                    multiply(x_rows[first:last], panels_in, tile, False)
                else:
                    multiply(rows_of(h[l - 1, s])[first:last], panels[l - 1], tile, False)
                part = Scan(u[l], scan.lengths, scan.activation, scan.steps, scan.step_clip)
                scan_tile(tile, bias[l], part, rows_of(h[l, s]), 0, t0, scan.lengths[s])


@parallel_kernel
def stack_backward(x, panels_in, panels, u, scan, h, g, first_step, gx, dw_in, dw, row_sums, du, carry):
    """Gradients of `stack_forward` from g (S, T+1, R, N) = dL/dh of the last layer, zero before first_step.

    panels_in and panels pack the transposed weights. gx (S, T+1, R, D) or empty; dw_in (S, D, N), dw (S, L-1, N, N),
    row_sums (S, L, R, N) and du (S, L, N) gain sums over time; carry (S, L, R, N) is dL/dh_T from outside and becomes
    dL/dh_0.
    """
    layers, slices, times, rows, n = h.shape[0], h.shape[1], h.shape[2] - 1, h.shape[3], h.shape[4]
    tiles = -(-times // scan.steps)
    for s in prange(slices):
        delta = np.empty((scan.steps * rows, n), x.dtype)
        above = np.empty((scan.steps * rows, n), x.dtype)
        gain, nothing, zero = np.empty((0, n), x.dtype), np.empty(0, x.dtype), x.dtype.type(0)
        up = Upstream(np.empty((0, rows, n), x.dtype), nothing, nothing, 0)
        x_rows, g_rows = rows_of(x[s]), rows_of(g[s])
        for q in range(tiles):
            t0 = (tiles - 1 - q) * scan.steps
            steps = min(scan.steps, times - t0)
            first, last = (t0 + 1) * rows, (t0 + 1 + steps) * rows
            tile = delta[: steps * rows]
            for r in range(steps * rows):
                for j in range(n):
                    above[r, j] = g_rows[first + r, j] if t0 + r // rows >= first_step else zero
            for k in range(layers):
                l = layers - 1 - k
                part = Scan(u[l], scan.lengths, scan.activation, scan.steps, scan.step_clip)
                scan_tile_backward(
                    above, 0, 0, up, gain, part, rows_of(h[l, s]), 0, t0, scan.lengths[s],
                    carry[s, l], tile, row_sums[s, l], du[s, l : l + 1],
                )  # fmt: skip
                if l > 0:
                    multiply_transposed(rows_of(h[l - 1, s])[first:last], tile, dw[s, l - 1])
                    multiply(tile, panels[l - 1], above[: steps * rows], False)
                else:
                    multiply_transposed(x_rows[first:last], tile, dw_in[s])
                    if gx.shape[0]:
                        multiply(tile, panels_in, rows_of(gx[s])[first:last], False)
