"""The elementwise recurrence of few units: a step of a slice (R, N) as one line of R N units.

A loop over a row of 16 units never reaches LLVM's vector loop, which takes 32 or 64 at once. Here the rows of a tile
are gathered into lines, the walk of `diagonal.py` goes over those, and what it wrote is scattered again. Only tiles in
which every sequence goes on can be taken so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.kernels.jit import inline

Array = np.ndarray
# From here on a row fills the vector loop.
WIDE = 96


class Lines(NamedTuple):
    """Space for the lines of one tile of m steps; `length` says that the one row of each never ends."""

    states: Array  # (m + 1, R N)
    above: Array  # (m, R N), or empty
    length: Array  # (1,)


@inline
def lines_for(steps, rows, n, backward, like):
    """Space for tiles of so many steps, none where N is not small."""
    few = n < WIDE
    states = np.empty((steps + 1 if few else 0, rows * n), like.dtype)
    above = np.empty((steps if few and backward else 0, rows * n), like.dtype)
    return Lines(states, above, np.full(1, steps))


@inline
def widened(vector, rows):
    """The vector (N,) `rows` times in a row."""
    n = vector.shape[0]
    wide = np.empty(rows * n, vector.dtype)
    for i in range(rows):
        for j in range(n):
            wide[i * n + j] = vector[j]
    return wide


@inline
def gather(x, first, column, lines, n):
    """lines (m, R N) <- N columns of as many rows of x from `first` on."""
    flat = lines.reshape(lines.size)
    for r in range(flat.shape[0] // n):
        row, part = x[first + r, column : column + n], flat[r * n : (r + 1) * n]
        for j in range(n):
            part[j] = row[j]


@inline
def scatter(lines, x, first, column, n):
    """N columns of rows of x from `first` on <- lines (m, R N)."""
    flat = lines.reshape(lines.size)
    for r in range(flat.shape[0] // n):
        row, part = x[first + r, column : column + n], flat[r * n : (r + 1) * n]
        for j in range(n):
            row[j] = part[j]


@inline
def add_rows(wide, target):
    """target (N,) += the sum of the R parts of wide (R N,)."""
    n = target.shape[0]
    for i in range(wide.shape[0] // n):
        for j in range(n):
            target[j] += wide[i * n + j]
