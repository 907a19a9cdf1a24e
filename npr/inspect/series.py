"""What an inspection finds: plain arrays whose axes have names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from npr.params import Array


class Series(NamedTuple):
    """An array and what its axes mean.

    Attributes
    ----------
    values : Array
        The numbers.
    axes : tuple of str
        One name for each axis: "time" (steps of the sequence, from 0), "sequence", "unit", "state", "exponent",
        "value" (of a spectrum), "part" (real and imaginary), "entry".
    """

    values: Array
    axes: tuple[str, ...]


Found = Mapping[str, Series]
