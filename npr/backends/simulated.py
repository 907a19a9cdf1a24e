"""Arrays of a device that is not there: NumPy's, but of a type of their own.

The simulator of CUDA kernels works on the host's memory, where a kernel would read any array. With these the rest of
a program meets what it meets on a device: an array of the host among those of the device is an error, and nothing
moves from one to the other but through `put` and `get`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class DeviceArray(np.ndarray):
    """An array of the simulated device."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        given = options.get("out", ())
        refuse(ufunc.__name__, *inputs, *given)
        if given:
            options["out"] = tuple(_bare(x) for x in given)
        found = getattr(ufunc, method)(*(_bare(x) for x in inputs), **options)
        return _marked(found)

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, options: Any) -> Any:
        refuse(function.__name__, *arguments, *options.values())
        return _marked(function(*_bare(arguments), **{key: _bare(value) for key, value in options.items()}))

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return library

    def __setitem__(self, where: Any, value: Any) -> None:
        refuse("assignment", *(where if isinstance(where, tuple) else (where,)), value)
        super().__setitem__(where, value)

    def __getitem__(self, where: Any) -> Any:
        refuse("indexing", *(where if isinstance(where, tuple) else (where,)))
        return super().__getitem__(where)

    def get(self) -> np.ndarray:
        """A copy in the host's memory."""
        return np.array(self.view(np.ndarray))


class _Library:
    """NumPy's functions, whose new arrays lie on the simulated device."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, type) or not callable(found):
            return found

        def made(*arguments: Any, **options: Any) -> Any:
            return _marked(found(*arguments, **options))

        return made

    @staticmethod
    def asarray(x: Any, dtype: Any = None) -> DeviceArray:
        """x on the device; from the host a copy, as on a real one."""
        if isinstance(x, DeviceArray):
            same = dtype is None or x.dtype == dtype
            return x if same else x.astype(dtype).view(DeviceArray)
        here: Any = np.asarray(x, dtype)
        there = DeviceArray(here.shape, here.dtype)
        there.view(np.ndarray)[...] = here
        return there

    @staticmethod
    def empty(shape: Any, dtype: Any = np.float64) -> DeviceArray:
        """A new array with anything in it."""
        return DeviceArray(shape, dtype)

    @staticmethod
    def zeros(shape: Any, dtype: Any = np.float64) -> DeviceArray:
        """A new array of zeros, which owns its memory, as the parameters' buffer must."""
        there = DeviceArray(shape, dtype)
        there.fill(0)
        return there


library = _Library()


def refuse(what: str, *values: Any) -> None:
    """Raise TypeError if one of the values, or of those in a list of them, is an array of the host."""
    for value in values:
        if isinstance(value, (list, tuple)):
            refuse(what, *value)
        elif type(value) is np.ndarray and value.ndim:
            raise TypeError(f"{what} of an array on the device got one of the host, {value.dtype} {value.shape}")


def _bare(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(_bare(part) for part in x)
    return x.view(np.ndarray) if isinstance(x, DeviceArray) else x


def _marked(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        parts = [_marked(part) for part in x]
        return x._make(parts) if hasattr(x, "_make") else type(x)(parts)
    return x.view(DeviceArray) if type(x) is np.ndarray else x
