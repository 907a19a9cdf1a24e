"""A series of numbers as one line of block characters."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

_BLOCKS, _ASCII = " ▁▂▃▄▅▆▇█", " .:-=+*#%"


def sparkline(values: Sequence[float] | np.ndarray, width: int = 40) -> str:
    """The logarithm of positive numbers over `width` places, the largest of each place; blank where they are 0.

    From the lowest block to the highest it is as many powers of ten as the numbers span, at least 3 and at most 12.
    """
    numbers = np.asarray(values, np.float64)
    places = np.array_split(numbers, min(width, len(numbers)))
    tops = np.array([part.max() if np.isfinite(part).all() else np.inf for part in places])
    good = np.isfinite(tops) & (tops > 0)
    blocks = _BLOCKS if _can_show(_BLOCKS) else _ASCII
    if not good.any():
        return " " * len(tops)
    logs = np.log10(np.where(good, tops, 1.0))
    high = logs[good].max()
    low = high - np.clip(high - logs[good].min(), 3, 12)
    level = 1 + np.round((np.clip(logs, low, high) - low) / (high - low) * (len(blocks) - 2)).astype(int)
    return "".join(
        "!" if top == np.inf else blocks[step] if top > 0 else " " for top, step in zip(tops, level, strict=True)
    )


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
