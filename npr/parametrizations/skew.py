"""Skew-symmetric matrices and the n(n-1)/2 numbers they are made of.

    A_ij = x_k,  A_ji = -x_k   for the k-th pair i < j, counted row by row;    dx_k = F_ij - F_ji

with F the gradient of L in A as if all entries were free.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from npr.arrays import namespace
from npr.errors import DivergedError
from npr.params import Array


def entries(size: int) -> int:
    """Number of entries above the diagonal."""
    return size * (size - 1) // 2


@lru_cache(maxsize=8)
def above(size: int, xp: Any) -> Array:
    """Positions in a flattened (n, n) matrix of the entries above the diagonal, row by row; an array of library xp."""
    rows, columns = np.triu_indices(size, 1)
    positions = rows * size + columns
    positions.setflags(write=False)
    return xp.asarray(positions)


def block_entries(size: int) -> Array:
    """Places in the vector of the entries (0, 1), (2, 3), ... of the matrix."""
    return np.searchsorted(above(size, np), np.arange(0, size - 1, 2) * (size + 1) + 1)


def upper(vector: Array, size: int, dtype: DTypeLike = np.float64) -> Array:
    """The matrix (n, n) with `vector` above its diagonal and zeros elsewhere."""
    xp = namespace(vector)
    matrix = xp.zeros((size, size), dtype)
    matrix.reshape(-1)[above(size, xp)] = vector
    return matrix


def above_diagonal(matrix: Array) -> Array:
    """The entries above the diagonal of a matrix (n, n), row by row."""
    return matrix.reshape(-1)[above(len(matrix), namespace(matrix))]


def skew(vector: Array, size: int, dtype: DTypeLike = np.float64) -> Array:
    """A (n, n) from the entries above its diagonal.

    Parameters
    ----------
    vector : Array (n (n-1) / 2,)
        Row by row.
    size : int
        n.
    dtype : dtype
        Of the result.

    Returns
    -------
    Array (n, n)

    Raises
    ------
    DivergedError
        If an entry is NaN or infinite; the factorisations behind the maps have no answer to that.
    """
    if not np.isfinite(vector).all():
        raise DivergedError("Training diverged: a skew-symmetric matrix of the recurrence holds NaN or infinity.")
    half = upper(vector, size, dtype)
    return half - half.T


def skew_backward(dA: Array) -> Array:
    """dx_k = F_ij - F_ji, (n (n-1) / 2,), from F = dL/dA with all entries taken as free."""
    return above_diagonal(dA - dA.T)
