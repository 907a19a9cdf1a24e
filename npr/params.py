"""Named parameters as views into one flat buffer, so that an optimiser walks a single array."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from npr.arrays import namespace

Array = np.ndarray
Params = dict[str, Array]
Buffers = dict[str, Array]
Shapes = Mapping[str, tuple[int, ...]]


def allocate(shapes: Shapes, dtype: DTypeLike, xp: Any = np) -> tuple[Array, Params]:
    """One zeroed flat buffer of `dtype`, an array of the library xp, and a view of it for every name, in order."""
    flat = xp.zeros(sum(math.prod(shape) for shape in shapes.values()), dtype)
    return flat, views(flat, shapes)


def views(flat: Array, shapes: Shapes) -> Params:
    """Named views of `flat`, packed without gaps in the order of `shapes`."""
    named: Params = {}
    start = 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        named[name] = flat[start : start + size].reshape(shape)
        start += size
    return named


def pack(values: Mapping[str, Array], dtype: DTypeLike | None = None) -> Params:
    """Copy named arrays into views of one new flat buffer; `dtype` defaults to that of the first array."""
    some = next(iter(values.values())) if values else np.zeros(0, np.float32)
    if dtype is None:
        dtype = some.dtype
    flat, named = allocate({name: np.shape(value) for name, value in values.items()}, dtype, namespace(some))
    if values:
        # One call: on a device Python would take longer than the copies.
        np.concatenate([np.reshape(value, -1) for value in values.values()], out=flat, casting="same_kind")
    return named


def flat_of(named: Params) -> Array:
    """The flat buffer behind views made by `allocate` or `pack`.

    Raises
    ------
    ValueError
        If the arrays are not adjacent views of one buffer.
    """
    arrays = list(named.values())
    base: Any = arrays[0].base if arrays else None
    while getattr(base, "base", None) is not None:
        base = base.base
    if getattr(base, "ndim", 0) != 1 or getattr(base, "size", -1) != sum(a.size for a in arrays):
        raise ValueError("these parameters are not views of one flat buffer; make them with npr.params.pack")
    return base


def count(named: Mapping[str, Array]) -> int:
    """Number of scalars in all arrays."""
    return sum(int(a.size) for a in named.values())


def scope(named: Params, prefix: str) -> Params:
    """The entries below a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in named.items() if name.startswith(prefix)}


def by_layer(named: Params) -> dict[int, Params]:
    """The entries "layers.<i>.<rest>" as one dictionary of the rest for each i, in one walk over the names."""
    found: dict[int, Params] = defaultdict(dict)
    for name, value in named.items():
        if name.startswith("layers."):
            _, number, rest = name.split(".", 2)
            found[int(number)][rest] = value
    return found


def prefixed(prefix: str, named: Params) -> Params:
    """The same entries with a prefix before each name."""
    return {prefix + name: value for name, value in named.items()}
