"""Reading a file's content, compressed or not, never more of it than was asked for."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path
from typing import BinaryIO

from npr.errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 16


def read(path: Path, limit: int) -> bytearray:
    """The content of a plain or gzip-compressed file, told apart by its first bytes, not by its name.

    Parameters
    ----------
    path : Path
        A regular file.
    limit : int
        Largest content accepted, bytes.

    Returns
    -------
    bytearray
        The decompressed content.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged, or holds more than `limit` bytes.
    """
    if not os.path.isfile(path):
        found = "something else" if os.path.exists(path) else "nothing"
        raise DataError(f"{path}: expected a file, found {found}.")
    try:
        with path.open("rb") as stream:
            return unpack(stream, limit, str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error


def unpack(stream: BinaryIO, limit: int, where: str) -> bytearray:
    """Content of a seekable stream that is gzip-compressed or not; `where` names it in errors.

    Raises
    ------
    DataError
        If the compressed data is cut short or damaged, or the content is longer than `limit` bytes.
    """
    start = stream.read(len(GZIP_MAGIC))
    stream.seek(0)
    if start != GZIP_MAGIC:
        return _collect(stream, limit, where)
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as inner:
            return _collect(inner, limit, where)
    except EOFError as error:
        raise DataError(f"{where}: expected a whole gzip file, found one that is cut short.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where}: expected gzip data, found damage ({error}).") from error


def unpack_bytes(raw: bytes | bytearray, limit: int, where: str) -> bytearray:
    """`unpack` for bytes that are already in memory."""
    return unpack(io.BytesIO(raw), limit, where)


def _collect(stream: BinaryIO | gzip.GzipFile, limit: int, where: str) -> bytearray:
    content = bytearray()
    while chunk := stream.read(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise DataError(f"{where}: expected at most {limit} bytes of content, found more.")
    return content
