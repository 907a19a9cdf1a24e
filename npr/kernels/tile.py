"""Matrix product on register tiles: the one product of all kernels, float32 and float64, any size.

`tile_ir.py` has the tile; here is which tiles a product is made of. B is either a packed panel, two vectors wide, or a
row-major matrix. Without the compiler (NUMBA_DISABLE_JIT) NumPy answers.
"""

from __future__ import annotations

import numpy as np

from npr.kernels.jit import config, inline, kernel
from npr.kernels.tile_ir import VECTORS, tile_product
from npr.kernels.vector import REGISTERS, VECTOR_BYTES

# 24 accumulators, two vectors of B and one broadcast fill 27 of 32 registers; with 16 registers 12 + 2 + 1 fit.
# docs/performance.md has the count of every host.
TALL = REGISTERS == 32
HEIGHTS = (12, 8, 6, 5, 4, 3, 2, 1) if TALL else (6, 5, 4, 3, 2, 1)
ROWS = HEIGHTS[0]
# Rows of A one tile ahead are asked for where the sums leave enough registers for one more address.
FETCHING = VECTOR_BYTES == 64
# Eight sums are as many as two units with a latency of four need, if there are registers for what LLVM makes of it.
MASKED_HEIGHTS = (8, 4, 2, 1) if TALL else (6, 4, 2, 1)
MASKED_ROWS = MASKED_HEIGHTS[0]
# The tile that fills a strip is followed by others only while more rows than this are left.
_PLANNED = 3 * ROWS


def _plan(heights: tuple[int, ...]) -> np.ndarray:
    """Rows of the first tile for 0, 1, 2, ... remaining rows, so that the whole strip takes the least time.

    A tile takes 2 units for each row, 1 to begin with, and never less than one of 5 rows: a panel from beyond the
    first cache does not arrive faster, and sums wait for each other. So 16 rows go as 8 + 8, not 12 + 4; 5 as 5.
    """
    cost, first = [0], [0]
    for count in range(1, _PLANNED):
        options = [(2 * max(h, 5) + 1 + cost[count - h], -h) for h in heights if h <= count]
        best, height = min(options)
        cost.append(best)
        first.append(-height)
    return np.array(first)


_FIRST, _FIRST_MASKED = _plan(HEIGHTS), _plan(MASKED_HEIGHTS)


def panel_width(dtype: np.dtype) -> int:
    """Columns of one packed panel: two vectors of the host."""
    return VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize


_twelve = tile_product(12, VECTOR_BYTES)
_eight = tile_product(8, VECTOR_BYTES)
_six = tile_product(6, VECTOR_BYTES)
_five = tile_product(5, VECTOR_BYTES)
_four = tile_product(4, VECTOR_BYTES)
_three = tile_product(3, VECTOR_BYTES)
_two = tile_product(2, VECTOR_BYTES)
_one = tile_product(1, VECTOR_BYTES)
_twelve_far = tile_product(12, VECTOR_BYTES, far=True)
_most_masked = tile_product(MASKED_ROWS, VECTOR_BYTES, masked=True)
_four_masked = tile_product(4, VECTOR_BYTES, masked=True)
_two_masked = tile_product(2, VECTOR_BYTES, masked=True)
_one_masked = tile_product(1, VECTOR_BYTES, masked=True)


@inline
def _strip(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, count, add, far):
    """`count` rows of C, two vectors wide."""
    while count > 0:
        rows = _FIRST[count] if count < _PLANNED else ROWS
        if TALL and rows == 12 and not far:
            _twelve(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif TALL and rows == 8:
            _eight(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 6:
            _six(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 5:
            _five(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 4:
            _four(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 3:
            _three(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 2:
            _two(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif FETCHING and rows == 12:
            _twelve_far(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _one(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        start += rows * row
        c_start += rows * c_row
        count -= rows


@inline
def _masked_strip(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, count, add):
    """`count` rows of C, at most one vector wide."""
    while count > 0:
        rows = _FIRST_MASKED[count] if count < _PLANNED else MASKED_ROWS
        if rows == MASKED_ROWS:
            _most_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 4:
            _four_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        elif rows == 2:
            _two_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        else:
            _one_masked(a, start, row, column, b, b_start, b_row, depth, c, c_start, c_row, columns, add)
        start += rows * row
        c_start += rows * c_row
        count -= rows


@inline
def _product(a, panels, c, add, far):
    depth, width = panels.shape[1:]
    rows, n = c.shape
    a_row = a.strides[0] // a.itemsize
    c_row = c.strides[0] // c.itemsize
    start = 0
    while start < n:
        b_start = start // width * depth * width + start % width
        columns = width if n - start >= width else min(width // VECTORS, n - start)
        # Later strips find A in a cache.
        ahead = FETCHING and far and start == 0
        if columns == width:
            _strip(a, 0, a_row, 1, panels, b_start, width, depth, c, start, c_row, columns, rows, add, ahead)
        else:
            _masked_strip(a, 0, a_row, 1, panels, b_start, width, depth, c, start, c_row, columns, rows, add)
        start += columns


def multiply(a, panels, c, accumulate):
    """C (M, N) (+)= A (M, K) @ W for packed W; rows of A and C may be strided, their elements not."""
    _product(a, panels, c, accumulate, False)


def multiply_far(a, panels, c, accumulate):
    """`multiply` for many rows of A from memory: a tile's are fetched while the one above is computed."""
    _product(a, panels, c, accumulate, True)


def multiply_transposed(a, b, c):
    """C (K, N) += A^T @ B with A (M, K), B (M, N): the weight gradient of a tile of M rows."""
    width = VECTORS * VECTOR_BYTES // a.itemsize
    depth = a.shape[0]
    rows, n = c.shape
    a_row = a.strides[0] // a.itemsize
    b_row = b.strides[0] // b.itemsize
    c_row = c.strides[0] // c.itemsize
    start = 0
    while start < n:
        columns = width if n - start >= width else min(width // VECTORS, n - start)
        if columns == width:
            _strip(a, 0, 1, a_row, b, start, b_row, depth, c, start, c_row, columns, rows, True, False)
        else:
            _masked_strip(a, 0, 1, a_row, b, start, b_row, depth, c, start, c_row, columns, rows, True)
        start += columns


def _multiply_numpy(a, panels, c, accumulate):
    """What `multiply` computes, in NumPy."""
    product = a @ np.concatenate(list(panels), axis=1)[:, : c.shape[1]]
    # Never c * 0: what was there may be NaN.
    c[...] = c + product if accumulate else product


def _multiply_transposed_numpy(a, b, c):
    """What `multiply_transposed` computes, in NumPy."""
    c += a.T @ b


if config.DISABLE_JIT:
    multiply = multiply_far = _multiply_numpy
    multiply_transposed = _multiply_transposed_numpy
else:
    multiply, multiply_far = inline(multiply), inline(multiply_far)
    multiply_transposed = inline(multiply_transposed)


@kernel
def _pack_into(w, panels):
    """Copy W (K, N) into zeroed panels (P, K, width)."""
    width = panels.shape[2]
    for p in range(panels.shape[0]):
        for k in range(w.shape[0]):
            for j in range(min(width, w.shape[1] - p * width)):
                panels[p, k, j] = w[k, p * width + j]


def pack(w: np.ndarray) -> np.ndarray:
    """W (K, N) as panels (P, K, width) for `multiply`, zero beyond column N; W may have any strides."""
    width = panel_width(w.dtype)
    panels = np.zeros((-(-w.shape[1] // width), w.shape[0], width), w.dtype)
    _pack_into(np.ascontiguousarray(w), panels)
    return panels
