"""Arrays as text that a page can hold: the bytes of 16-bit codes or 32-bit integers in base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Codes above the last level: what a page shows as a gap, and what it calls exactly zero on a log scale.
LEVELS, MINUS_INFINITY, GAP = 65533, 65534, 65535


def levels(values: ArrayLike) -> dict[str, Any]:
    """Real values as 65,534 equal steps between the smallest and the largest.

    value = low + (high - low) * code / 65533; the codes 65534 and 65535 are minus infinity and a gap (NaN, infinity).

    Parameters
    ----------
    values : array
        Of any shape.

    Returns
    -------
    dict
        "low", "high", "shape", and "codes", little-endian unsigned 16-bit integers in base64.
    """
    array = np.asarray(values, np.float64)
    finite = np.isfinite(array)
    low, high = (float(array[finite].min()), float(array[finite].max())) if finite.any() else (0.0, 0.0)
    scaled = np.zeros(array.shape)
    if high > low:
        scaled[finite] = np.rint((array[finite] - low) * (LEVELS / (high - low)))
    scaled[~finite] = GAP
    scaled[np.isneginf(array)] = MINUS_INFINITY
    return {"low": low, "high": high, "shape": list(array.shape), "codes": _base64(scaled.astype("<u2"))}


def integers(values: ArrayLike) -> str:
    """Whole numbers, such as steps, as little-endian 32-bit integers in base64."""
    return _base64(np.asarray(values).astype("<i4"))


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
