"""Which learning rate and decay hold where along a flat parameter buffer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npr.errors import ConfigError
from npr.params import Array, Params

Row = tuple[float, float, float]


class Segments(NamedTuple):
    """Neighbouring parameters with the same coefficients, as the update kernels want them."""

    bounds: Array  # (S + 1,) int64, borders in the flat buffer
    table: Array  # (S, 3) rate, coupled decay, decoupled decay

    def scaled(self, factor: float, dtype: DTypeLike) -> Segments:
        """The same with all rates multiplied by `factor`, in the parameters' dtype."""
        return Segments(self.bounds, (self.table * (factor, 1.0, 1.0)).astype(dtype))


def segments(params: Params, row: Callable[[str], Row]) -> Segments:
    """Coefficients of every parameter, one row for each run of neighbours that agree."""
    bounds = [0]
    rows: list[Row] = []
    for name, value in params.items():
        new = row(name)
        if rows and rows[-1] == new:
            bounds[-1] += value.size
        else:
            rows.append(new)
            bounds.append(bounds[-1] + value.size)
    return Segments(np.array(bounds, np.int64), np.array(rows, np.float64).reshape(-1, 3))


def starts(name: str, prefix: str) -> bool:
    """Whether a name starts with a prefix, in which "*" stands for anything: "layers.*.u" is u of every layer."""
    return fnmatchcase(name, prefix + "*")


def by_prefix(table: Mapping[str, float], name: str, default: float) -> float:
    """Entry of the longest key that `name` starts with, or `default`."""
    if not table:
        return default
    prefix = max((key for key in table if starts(name, key)), key=len, default=None)
    return default if prefix is None else table[prefix]


def require_used(key: str, table: Mapping[str, float], names: Collection[str]) -> None:
    """Check that every prefix fits some parameter, so that a misspelt one cannot go unnoticed.

    Raises
    ------
    ConfigError
        If one does not; the message lists the parameters.
    """
    for prefix in table:
        if not any(starts(name, prefix) for name in names):
            raise ConfigError(f"{key}: no parameter starts with {prefix!r}. There are: {', '.join(names)}.")
