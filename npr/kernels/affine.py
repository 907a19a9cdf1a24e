"""y = (mask * x) W + bias for every time step, and its backward: the product outside a recurrence."""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.kernels.diagonal import add_moments, masked_tile
from npr.kernels.jit import parallel_kernel
from npr.kernels.tile import multiply, multiply_far, multiply_transposed


@parallel_kernel
def affine_forward(x, mask, panels, bias, lengths, tile_steps, y, add, sums):
    """y (S, T+1, R, N) becomes (with add: gains) (mask * x) W + bias; sums (S, 2, N) or empty gets its moments."""
    slices, times, rows, n = x.shape[0], x.shape[1] - 1, x.shape[2], bias.shape[2]
    width = panels.shape[1]
    for s in prange(slices):
        scratch = np.empty((tile_steps * rows, width), x.dtype)
        tile_sums = np.empty((2, n), x.dtype)
        x_rows = x[s].reshape((times + 1) * rows, x.shape[3])
        y_rows = y[s].reshape((times + 1) * rows, n)
        gate = mask[s] if mask.shape[0] else np.empty((0, width), x.dtype)
        if sums.shape[0]:
            sums[s] = 0
        for t0 in range(0, times, tile_steps):
            steps = min(tile_steps, times - t0)
            first = (t0 + 1) * rows
            tile = y_rows[first : first + steps * rows]
            multiply_far(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), panels, tile, add)
            for t in range(steps):
                for i in range(rows):
                    for j in range(n):
                        tile[t * rows + i, j] += bias[s, i, j]
            if sums.shape[0]:
                add_moments(y_rows, 0, rows, t0, steps, lengths[s], tile_sums, sums[s])


@parallel_kernel
def affine_backward(x, mask, panels, gy, first_step, tile_steps, gx, dw, row_sums):
    """gx (S, T+1, R, >= K) = gy W^T unless empty; dw (S, K, N) gains sum (mask * x)^T gy, row_sums (S, R, N) sum_t gy.

    Steps before first_step carry no gradient: they are skipped, and gx is not written there. From the last step to the
    first, like recurrences, so that sums can go on from one stretch of a sequence to the one before it.
    """
    slices, times, rows, n = x.shape[0], x.shape[1] - 1, x.shape[2], gy.shape[3]
    width = dw.shape[1]
    tiles = -(-times // tile_steps)
    for s in prange(slices):
        scratch = np.empty((tile_steps * rows, width), x.dtype)
        x_rows = x[s].reshape((times + 1) * rows, x.shape[3])
        gy_rows = gy[s].reshape((times + 1) * rows, n)
        gate = mask[s] if mask.shape[0] else np.empty((0, width), x.dtype)
        for q in range(tiles):
            end = min((tiles - q) * tile_steps, times)
            t0 = max((tiles - 1 - q) * tile_steps, first_step)
            steps = end - t0
            if steps <= 0:
                break
            first = (t0 + 1) * rows
            tile = gy_rows[first : first + steps * rows]
            for t in range(steps):
                for i in range(rows):
                    for j in range(n):
                        row_sums[s, i, j] += tile[t * rows + i, j]
            multiply_transposed(masked_tile(x_rows, gate, t0, steps, scratch[: steps * rows]), tile, dw[s])
            if gx.shape[0]:
                gx_rows = gx[s].reshape((times + 1) * rows, gx.shape[3])
                multiply(tile, panels, gx_rows[first : first + steps * rows, :width], False)
