"""The maps from skew-symmetric to orthogonal matrices, each for the host and for a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.parametrizations import cayley, expm, taylor
from npr.params import Array


class Map(NamedTuple):
    """forward: A (n, n) -> W (n, n) and a cache; backward: cache and dL/dW -> F, whose skew part is that of dL/dA."""

    forward: Callable[[Array], tuple[Array, Any]]
    backward: Callable[[Any, Array], Array]


MAPS = {
    "expm": {
        "host": Map(expm.expm, expm.expm_backward),
        "device": Map(taylor.expm, taylor.expm_backward),
    },
    "cayley": {
        "host": Map(cayley.cayley, cayley.cayley_backward),
        "device": Map(cayley.cayley_by_inverse, cayley.cayley_by_inverse_backward),
    },
}


def map_for(name: str, x: Array) -> Map:
    """The map of this name where x lies."""
    return MAPS[name]["host" if namespace(x) is np else "device"]
