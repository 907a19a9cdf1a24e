"""y = (mask * x) W + bias for every time step, and its backward: the product outside a recurrence."""

from __future__ import annotations

import numpy as np
from numba import prange

from npr.arrays import namespace
from npr.kernels import product
from npr.kernels.cuda_target import cuda, cuda_kernel, real
from npr.kernels.jit import parallel_kernel
from npr.kernels.layout import masked_tile
from npr.kernels.norm_statistics import gather_moments
from npr.kernels.scan import add_moments
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


@cuda_kernel
def add_bias(y, bias, lengths, sums):
    """y (T, R, N) gains bias (R, N). sums (3, R, N) or empty: c = y_1, and the sums of y - c and its square over the
    steps of the sequence. One thread for each unit of each sequence."""
    p = cuda.grid(1)
    times, rows, n = y.shape
    if p < rows * n:
        i = p // n
        j = p - i * n
        shift, centre, first, second = bias[i, j], real(0), real(0), real(0)
        for t in range(times):
            value = y[t, i, j] + shift
            y[t, i, j] = value
            if t == 0:
                centre = value
            if t < lengths[i]:
                first += value - centre
                second += (value - centre) * (value - centre)
        if sums.shape[0]:
            sums[0, i, j] = centre
            sums[1, i, j] = first
            sums[2, i, j] = second


class Device:
    """The same on a CUDA device."""

    @staticmethod
    def affine_forward(x, mask, w, bias, lengths, tile_steps, y, add, sums):
        """`affine_forward`; w is W (K, N) itself."""
        xp, (rows, n) = namespace(x), bias.shape[1:]
        out = y[0, 1:]
        product.multiply(product.value_of(x, mask, w.shape[0]), w, out, add)
        parts = xp.empty((3 if sums.shape[0] else 0, rows, n), y.dtype)
        add_bias.each(rows * n, y.dtype)(out, bias[0], lengths[0], parts)
        if sums.shape[0]:
            gather_moments(parts, lengths[0], sums[0])

    @staticmethod
    def affine_backward(x, mask, w, gy, first_step, tile_steps, gx, dw, row_sums):
        """`affine_backward`; w is W^T (N, K)."""
        tile = gy[0, 1 + first_step :]
        row_sums[0] += tile.sum(0)
        value = product.value_of(x, mask, dw.shape[1])[first_step:]
        product.multiply_transposed(value, tile, dw[0])
        if gx.shape[0]:
            product.multiply(tile, w, gx[0, 1 + first_step :, :, : w.shape[1]], False)
