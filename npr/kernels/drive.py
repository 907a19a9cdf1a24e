"""The elementwise recurrence of `npr.kernels.diagonal` on pre-activations that lie in memory: no product of its own."""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import product
from npr.kernels.jit import parallel_kernel
from npr.kernels.layout import gate_of, rows_of
from npr.kernels.prefetch import ask_for
from npr.kernels.scan import add_moments, scan_back_on, scan_on, scan_tile, scan_tile_backward, silence


@parallel_kernel
def drive_forward(z, scale, bias, scan, h, column, sums):
    """h = scan(scale * z + bias), for a recurrence without a product of its own.

    z (S, T+1, R, N); scale (N,) or empty: 1; bias (S, R, N) or empty: 0.
    """
    slices, times, rows, n = z.shape[0], z.shape[1] - 1, z.shape[2], scan.u.shape[0]
    for s in prange(slices):
        a = np.empty((scan.steps * rows if scale.shape[0] else 0, n), z.dtype)
        tile_sums = np.empty((2, n), z.dtype)
        z_rows, h_rows, shift = rows_of(z[s]), rows_of(h[s]), gate_of(bias, s, n)
        if sums.shape[0]:
            sums[s] = 0
        for t0 in range(0, times, scan.steps):
            steps = min(scan.steps, times - t0)
            tile = z_rows[(t0 + 1) * rows : (t0 + 1 + steps) * rows]
            if scale.shape[0]:
                for r in range(steps * rows):
                    for j in range(n):
                        a[r, j] = scale[j] * tile[r, j]
                tile = a[: steps * rows]
            scan_tile(tile, shift, scan, h_rows, column, t0, scan.lengths[s])
            if sums.shape[0]:
                add_moments(h_rows, column, rows, t0, steps, scan.lengths[s], tile_sums, sums[s])


@parallel_kernel
def drive_backward(scan, h, g, up, gz, add, du, carry):
    """Backward of `drive_forward`: gz (S, T+1, R, N) receives (with add: gains) delta; g may be gz without add."""
    slices, times, rows, n = h.shape[0], h.shape[1] - 1, h.shape[2], du.shape[2]
    for s in prange(slices):
        # One step at a time, so that delta stays in the first cache.
        delta, nothing = np.empty((rows, n), h.dtype), np.empty((0, n), h.dtype)
        h_rows, g_rows, gz_rows, gain = rows_of(h[s]), rows_of(g[s]), rows_of(gz[s]), gate_of(up.gain, s, n)
        for q in range(times):
            t0 = times - 1 - q
            first = (t0 + 1) * rows
            if t0 < up.first:
                silence(g_rows, 0, n, first, rows)
            scan_tile_backward(
                g_rows, first, 0, up, gain, scan, h_rows, 0, t0, scan.lengths[s], carry[s], delta, nothing, du[s]
            )
            for r in range(rows):
                ask_for(gz_rows, first + r, r, rows, 0, n)
                for j in range(n):
                    if add:
                        gz_rows[first + r, j] += delta[r, j]
                    else:
                        gz_rows[first + r, j] = delta[r, j]


class Device:
    """The same on a CUDA device."""

    @staticmethod
    def drive_forward(z, scale, bias, scan, h, column, sums):
        """`drive_forward`."""
        xp = namespace(z)
        a = z[0, 1:] if not scale.shape[0] else scale * z[0, 1:]
        shift = product.gate_of_batch(bias)
        scan_on(xp, a, shift, scan, h[0], column, sums[0] if sums.shape[0] else sums)

    @staticmethod
    def drive_backward(scan, h, g, up, gz, add, du, carry):
        """`drive_backward`."""
        xp, (rows, n) = namespace(h), carry.shape[1:]
        above, target = g[0, 1:, :, :n], gz[0, 1:]
        delta = xp.empty(target.shape, h.dtype) if add else target
        per_row = xp.zeros((rows, n), h.dtype)
        scan_back_on(above, up, scan, h[0], 0, delta, xp.empty((0, n), h.dtype), per_row, carry[0])
        du[0] += per_row.sum(0)
        if add:
            target += delta
