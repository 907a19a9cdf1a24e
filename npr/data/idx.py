"""The IDX format of MNIST: a four-byte magic number, big-endian sizes, then unsigned bytes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npr.data import content as contents
from npr.errors import DataError

_UBYTE = 0x08
DEFAULT_LIMIT = 1 << 30


def parse(content: bytes | bytearray, where: str, dims: int) -> NDArray[np.uint8]:
    """View IDX content as an array, without copying it.

    content = 0x00 0x00 0x08 D | D sizes as big-endian uint32 | prod(sizes) bytes, and nothing after them.

    Parameters
    ----------
    content : bytes or bytearray
        The whole, decompressed file.
    where : str
        What to call the file in errors.
    dims : int
        Number of dimensions D it must have.

    Returns
    -------
    ndarray, uint8, D dimensions
        A read-only view of `content`.

    Raises
    ------
    DataError
        If the magic number, the header or the length is not exactly right.

    Source: the description of the format that was published with MNIST.
    """
    wanted = bytes((0, 0, _UBYTE, dims))
    if bytes(content[:4]) != wanted:
        found = f"0x{bytes(content[:4]).hex()}" if content else "an empty file"
        raise DataError(
            f"{where}: not an IDX file of bytes with {dims} dimensions: "
            f"expected magic number 0x{wanted.hex()}, found {found}."
        )
    start = 4 + 4 * dims
    if len(content) < start:
        raise DataError(f"{where}: expected an IDX header of {start} bytes, found {len(content)} bytes.")
    shape = tuple(int.from_bytes(content[4 + 4 * d : 8 + 4 * d], "big") for d in range(dims))
    # Python integers: a product of hostile sizes cannot wrap round to the true length.
    size = start + math.prod(shape)
    if len(content) != size:
        raise DataError(
            f"{where}: expected {size} bytes for an array of {' x '.join(map(str, shape))}, found {len(content)}."
        )
    array = np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    array.flags.writeable = False
    return array


def read(path: Path, dims: int, limit: int = DEFAULT_LIMIT) -> NDArray[np.uint8]:
    """Read an IDX file, plain or gzip-compressed.

    Parameters
    ----------
    path : Path
        The file.
    dims : int
        Number of dimensions it must have.
    limit : int
        Largest decompressed content accepted, bytes.

    Returns
    -------
    ndarray, uint8, read-only

    Raises
    ------
    DataError
        If the file is missing, damaged, too large or not what `dims` says.
    """
    return parse(contents.read(Path(path), limit), str(path), dims)
