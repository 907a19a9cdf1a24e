"""Arrays on the host and on a device: the same code runs on both.

A device's arrays come from CuPy. Functions of NumPy that take an array hand themselves to the library of that array;
those that make one from nothing must be asked of `namespace`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def namespace(x: Any) -> Any:
    """The library whose arrays x is one of: NumPy, or that of a device."""
    if type(x) is np.ndarray or np.isscalar(x):
        return np
    if isinstance(x, np.ndarray):
        return x.__array_namespace__()
    # CuPy's arrays have no __array_namespace__ (14.2).
    return sys.modules[type(x).__module__.partition(".")[0]]


def host(x: Any) -> np.ndarray:
    """x in the host's memory: itself, or a copy of what lies on a device."""
    return x if namespace(x) is np else x.get()
