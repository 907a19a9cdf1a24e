"""Rates of a device next to which a case is read: copying its memory, and products in full float32."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from npr.backends import get_backend
from npr.bench.clock import repeat
from npr.bench.own.device import ended

# A GiB, which no cache holds; rows of square matrices. The simulator has sizes whose figures mean nothing.
COPIED, ROWS = 1 << 28, 8192
SIMULATED = (1 << 10, 16)


def ceilings(repeats: int = 7) -> dict[str, float]:
    """`fp32`, GFLOP/s of one product of float32 matrices, and `copy`, GB/s read and written by a copy."""
    backend: Any = get_backend("cuda")
    elements, rows = SIMULATED if backend.target.simulated else (COPIED, ROWS)
    return {"fp32": product_rate(backend, rows, repeats), "copy": copy_rate(backend, elements, repeats)}


def product_rate(backend: Any, rows: int, repeats: int) -> float:
    """GFLOP/s of a product of square matrices."""
    rng = np.random.default_rng(0)
    a, b = (backend.put(rng.uniform(-1, 1, (rows, rows)).astype(np.float32)) for _ in range(2))
    seconds = repeat(ended(lambda: backend.xp.matmul(a, b), backend), repeats)
    return 2 * rows**3 / statistics.median(seconds) / 1e9


def copy_rate(backend: Any, elements: int, repeats: int) -> float:
    """GB/s of copying float32 from one array to another."""
    one, other = (backend.xp.zeros(elements, np.float32) for _ in range(2))
    seconds = repeat(ended(lambda: other.__setitem__(slice(None), one), backend), repeats)
    return 2 * one.nbytes / statistics.median(seconds) / 1e9
