"""Named arrays in safetensors form, with a reader that trusts nothing it has not checked.

The library sets no limit on header size and accepts duplicate names, so the header is examined here first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as decode_checked
from safetensors.numpy import save as encode_contiguous

from npr.errors import StorageError
from npr.params import Array

MAX_HEADER = 1 << 20
MAX_TENSORS = 4096
MAX_AXES = 8
_ITEMSIZES = {"F32": 4, "F64": 8, "I32": 4, "I64": 8, "U8": 1}


class CheckpointError(StorageError):
    """A checkpoint is damaged, incomplete or not what it claims to be."""


class Layout(NamedTuple):
    """What a header says about one array."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def encode(tensors: Mapping[str, Array], metadata: dict[str, str] | None = None) -> bytes:
    """Bytes of a safetensors file, with text beside the tensors where there is some.

    The library writes the memory of an array in whatever order it lies there, hence the copies.
    """
    return encode_contiguous({name: np.array(value, order="C") for name, value in tensors.items()}, metadata)


def decode(data: bytes) -> dict[str, Array]:
    """Arrays of a safetensors file made by `encode`.

    Raises
    ------
    CheckpointError
        If the bytes are anything else.
    """
    header(data)
    try:
        return decode_checked(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"unreadable tensors: {error}") from error


def header(data: bytes) -> dict[str, Layout]:
    """Layout of every array in a safetensors file, in the order of their bytes.

    Raises
    ------
    CheckpointError
        If the header is too large or malformed, or the arrays overlap, leave holes or do not fill the file.
    """
    table, start = entries(data)
    return layouts(table, len(data) - start, _ITEMSIZES)


def entries(data: bytes) -> tuple[dict[str, Any], int]:
    """The table in the header of a safetensors file, its entries unchecked, and where the arrays begin.

    Raises
    ------
    CheckpointError
        If the header is too large or malformed.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER, len(data) - 8):
        raise CheckpointError("the header does not fit")
    table = strict_json(data[8 : 8 + length])
    if not isinstance(table, dict) or len(table) > MAX_TENSORS:
        raise CheckpointError(f"the header is no table of at most {MAX_TENSORS} tensors")
    return table, 8 + length


def layouts(table: Mapping[str, Any], size: int, itemsizes: Mapping[str, int]) -> dict[str, Layout]:
    """Checked layouts of the arrays that a header lists, in the order of their bytes.

    Parameters
    ----------
    table : mapping
        Entries of the header.
    size : int
        Bytes that the arrays must fill without overlap.
    itemsizes : mapping of str to int
        Types that may occur, with their bytes.

    Raises
    ------
    CheckpointError
        If an entry is malformed, or the arrays overlap, leave holes or do not fill the file.
    """
    found = [(name, _layout(name, entry, itemsizes)) for name, entry in table.items()]
    found.sort(key=lambda item: item[1][2:])
    position = 0
    for name, layout in found:
        if layout.begin != position:
            raise CheckpointError(f"tensor '{name[:80]}' leaves a hole or overlaps another")
        position = layout.end
    if position != size:
        raise CheckpointError("the tensors do not fill the file")
    return dict(found)


def strict_json(data: bytes) -> Any:
    """JSON without duplicate keys and without NaN.

    Raises
    ------
    CheckpointError
        If it is not.
    """
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"invalid JSON: {str(error)[:80]}") from error


def _layout(name: str, entry: Any, itemsizes: Mapping[str, int]) -> Layout:
    """One checked entry of the header."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"tensor '{name[:80]}' lacks dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in itemsizes:
        raise CheckpointError(f"tensor '{name[:80]}' has an unknown dtype")
    if not _sizes(shape, MAX_AXES) or not _sizes(offsets, 2) or len(offsets) != 2:
        raise CheckpointError(f"tensor '{name[:80]}' has an impossible shape or position")
    if offsets[1] - offsets[0] != prod(shape) * itemsizes[dtype]:
        raise CheckpointError(f"tensor '{name[:80]}' has another size than its shape says")
    return Layout(dtype, tuple(shape), *offsets)


def _sizes(values: Any, most: int) -> bool:
    """True for a list of at most `most` integers that can be array sizes."""
    return (
        isinstance(values, list)
        and len(values) <= most
        and all(type(value) is int and 0 <= value < 1 << 48 for value in values)
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key occurs twice")
    return table


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")
