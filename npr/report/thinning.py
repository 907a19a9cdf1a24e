"""Long series cut down to what a screen can show, extremes kept."""

from __future__ import annotations

import numpy as np

from npr.params import Array


def thin(values: Array, most: int) -> Array:
    """Places of the entries that a curve of at most `most` points keeps.

    The series is cut into equal pieces; each keeps its smallest and largest value and a gap (NaN) if it has one.
    The first and the last entry stay.

    Parameters
    ----------
    values : (n,) array
        NaN for a gap.
    most : int
        At least 8.

    Returns
    -------
    array of int
        Places in rising order; all of them where `values` is short enough.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    kept = {0, count - 1}
    for piece in np.array_split(np.arange(count), (most - 2) // 3):
        part = values[piece]
        gaps = np.isnan(part)
        if gaps.any():
            kept.add(int(piece[gaps.argmax()]))
        if not gaps.all():
            kept |= {int(piece[np.nanargmin(part)]), int(piece[np.nanargmax(part)])}
    return np.array(sorted(kept))


def largest(values: Array, columns: int) -> Array:
    """The largest value of each of at most `columns` stretches of the last axis; NaN only where all are NaN.

    Stretch c of C begins at c * n // C.

    Parameters
    ----------
    values : (..., n) array
        Series over time.
    columns : int
        Most stretches.

    Returns
    -------
    (..., columns) array
    """
    count = values.shape[-1]
    columns = min(columns, count)
    return np.fmax.reduceat(values, np.arange(columns) * count // columns, axis=-1)


def spread(count: int, most: int) -> Array:
    """At most `most` places evenly spread over `count`, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, max(1, min(most, count))).round().astype(int)) if count else np.arange(0)
