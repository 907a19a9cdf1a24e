"""NumPy's npz files, without objects and without a size that is only claimed."""

from __future__ import annotations

import io
from math import prod

import numpy as np
from numpy.lib import format as npy

from npr.interop.archive import Archive
from npr.interop.contents import MAX_AXES, MAX_BYTES, MAX_TENSORS, Contents, ForeignError, decoded, shown
from npr.params import Array

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_KINDS = ("f2", "f4", "f8", "i4", "i8")


def read_npz(archive: Archive) -> Contents:
    """Arrays of a file of numpy.savez.

    Raises
    ------
    ForeignError
        If it is damaged, or an array is of another type than float and integer.
    """
    names = [name for name in archive.names if name.endswith(".npy")]
    if len(names) > MAX_TENSORS:
        raise ForeignError(f"it has {len(names):,} arrays, at most {MAX_TENSORS:,} are read")
    return Contents(
        {name.removesuffix(".npy"): _array(name, archive.read(name, MAX_BYTES)) for name in names}, "npz file"
    )


def _array(name: str, data: bytes) -> Array:
    stream = io.BytesIO(data)
    try:
        version = npy.read_magic(stream)
        shape, fortran, dtype = _READERS[version](stream)
    except (ValueError, KeyError, TypeError, RecursionError, MemoryError, SyntaxError) as error:
        raise ForeignError(f"array {shown(name)} has a damaged header ({str(error)[:80]})") from error
    body = data[stream.tell() :]
    if dtype.str[1:] not in _KINDS:
        raise ForeignError(f"array {shown(name)} is of type {shown(dtype)}, not float or integer")
    if len(shape) > MAX_AXES or prod(shape) * dtype.itemsize != len(body):
        raise ForeignError(f"array {shown(name)} has another size than its shape says")
    raw = np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
    return decoded(raw, dtype.str)
