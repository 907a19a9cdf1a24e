"""What an inspection finds: plain arrays whose axes have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from npr.params import Array


class Series(NamedTuple):
    """An array and what its axes mean.

    Attributes
    ----------
    values : Array
        The numbers.
    axes : tuple of str
        One name for each axis: "time" (steps of the sequence, from 0), "sequence", "unit", "exponent", "lag" (steps
        back), "value" (of a spectrum), "part" (real and imaginary), "from" and "to" (of a matrix).
    """

    values: Array
    axes: tuple[str, ...]

    def norm(self, *over: str) -> Series:
        """L2 norm over some axes, in float64: sqrt(sum of squares)."""
        along = tuple(self.axes.index(name) for name in over)
        left = tuple(name for name in self.axes if name not in over)
        return Series(np.sqrt(np.square(self.values, dtype=np.float64).sum(along)), left)

    def mean(self, *over: str) -> Series:
        """Mean over some axes, in float64."""
        along = tuple(self.axes.index(name) for name in over)
        return Series(self.values.mean(along, dtype=np.float64), tuple(n for n in self.axes if n not in over))


Found = Mapping[str, Series]


def complex_parts(values: Array) -> Series:
    """Complex numbers (K,) as real and imaginary parts (K, 2), largest absolute value first."""
    ordered = values[np.argsort(-np.abs(values), kind="stable")]
    return Series(np.stack([ordered.real, ordered.imag], axis=1), ("value", "part"))
