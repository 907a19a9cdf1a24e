"""Rates of the tile product, of NumPy's BLAS and of memory, and the ceilings made of them."""

from __future__ import annotations

import statistics
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from threadpoolctl import threadpool_limits

from npr.bench.clock import repeat, together
from npr.errors import CheckFailed
from npr.kernels.jit import kernel
from npr.kernels.tile import multiply, multiply_transposed, pack

Array = np.ndarray


class Size(NamedTuple):
    """C (rows, columns) = A (rows, inner) @ B (inner, columns)."""

    rows: int
    inner: int
    columns: int

    @property
    def flops(self) -> int:
        """Of the product."""
        return 2 * self.rows * self.inner * self.columns


# The size of the cases' layers, and one whose panels take a quarter of a 1 MiB second-level cache.
CEILING_SIZES = (Size(96, 128, 128), Size(96, 256, 256))
SGEMM_SIZE = Size(2048, 2048, 2048)


@kernel
def _multiply_often(a, panels, c, times):
    for _ in range(times):
        multiply(a, panels, c, False)


@kernel
def _multiply_transposed_often(a, b, c, times):
    for _ in range(times):
        multiply_transposed(a, b, c)


@kernel
def _triad(a, b, c, factor, times):
    for _ in range(times):
        for i in range(a.size):
            a[i] = b[i] + factor * c[i]


def _operands(size: Size, dtype: DTypeLike, transposed: bool) -> tuple[Array, Array, Array]:
    """A, B and C of one product; the transposed one sums over rows: C (inner, columns) += A^T B."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (size.rows, size.inner)).astype(dtype)
    b = rng.uniform(-1, 1, (size.rows if transposed else size.inner, size.columns)).astype(dtype)
    return a, b, np.zeros((size.inner if transposed else size.rows, size.columns), dtype)


def check(size: Size, dtype: DTypeLike = np.float32, transposed: bool = False) -> float:
    """Largest error of the tile product against NumPy in float64, over the largest value.

    Raises
    ------
    CheckFailed
        If it is beyond the rounding of the sum.
    """
    a, b, c = _operands(size, dtype, transposed)
    if transposed:
        _multiply_transposed_often(a, b, c, 1)
    else:
        _multiply_often(a, pack(b), c, 1)
    expected = (a.T if transposed else a).astype(np.float64) @ b.astype(np.float64)
    error = float(np.abs(c - expected).max() / np.abs(expected).max())
    if not error <= 32 * np.finfo(dtype).eps:
        raise CheckFailed(f"tile product of {tuple(size)} {np.dtype(dtype)} is off by {error:.1e}")
    return error


def tile_rate(
    size: Size, threads: int = 1, dtype: DTypeLike = np.float32, transposed: bool = False, repeats: int = 5
) -> float:
    """GFLOP/s of all threads together, each with operands of its own, repeated until 50 ms have passed."""
    times = max(1, round(5e9 / size.flops))
    jobs = []
    for _ in range(threads):
        a, b, c = _operands(size, dtype, transposed)
        if transposed:
            jobs.append(partial(_multiply_transposed_often, a, b, c, times))
        else:
            jobs.append(partial(_multiply_often, a, pack(b), c, times))
    together(jobs)
    seconds = statistics.median(together(jobs) for _ in range(repeats))
    return threads * times * size.flops / seconds / 1e9


def blas_rate(size: Size, threads: int = 1, dtype: DTypeLike = np.float32, repeats: int = 5) -> float:
    """GFLOP/s of NumPy's product on `threads` threads of its BLAS."""
    a, b, c = _operands(size, dtype, False)
    times = max(1, round(5e9 / size.flops))

    def run() -> None:
        for _ in range(times):
            np.dot(a, b, out=c)

    with threadpool_limits(threads, user_api="blas"):
        return times * size.flops / statistics.median(repeat(run, repeats, warm_up=1)) / 1e9


def triad_rate(threads: int, repeats: int = 5, elements: int = 1 << 24) -> float:
    """GB/s of a[i] = b[i] + s c[i] in float32, three arrays counted, `elements` per array and thread."""
    arrays = [tuple(np.ones(elements, np.float32) for _ in range(3)) for _ in range(threads)]
    jobs = [partial(_triad, a, b, c, np.float32(0.5), 2) for a, b, c in arrays]
    together(jobs)
    seconds = statistics.median(together(jobs) for _ in range(repeats))
    return threads * 2 * 3 * 4 * elements / seconds / 1e9


def ceilings(threads: int) -> dict[str, float]:
    """The machine's limits next to which a case is read; GFLOP/s, and GB/s for the triad."""
    for size in CEILING_SIZES:
        check(size)
    found = {}
    for count in sorted({1, threads}):
        found[f"tile_{count}"] = max(tile_rate(size, count) for size in CEILING_SIZES)
        found[f"sgemm_2048_{count}"] = blas_rate(SGEMM_SIZE, count, repeats=3)
    found[f"triad_{threads}"] = triad_rate(threads)
    return found
