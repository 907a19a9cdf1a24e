"""ZIP archives read in memory: nothing is ever written, and an archive is believed in nothing it says."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from typing import NamedTuple

from npr.errors import DataError

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What zipfile raises for archives that are no archives.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class Limits(NamedTuple):
    """Most members, and most bytes of one member and of all together once unpacked."""

    members: int
    each: int
    total: int


def read(content: bytes | bytearray, where: str, suffix: str, limits: Limits) -> dict[str, bytes]:
    """The members whose names end in `suffix`, by name; the others are checked but not unpacked.

    Parameters
    ----------
    content : bytes or bytearray
        The archive.
    where : str
        What to call it in errors.
    suffix : str
        End of the names wanted, in lower case; that of a name may be in either.
    limits : Limits
        What is still believable.

    Returns
    -------
    dict of bytes

    Raises
    ------
    DataError
        If the archive is damaged or exceeds the limits, or a member, wanted or not, has an absolute name or one
        that leads out of the archive, comes twice, is a link, is encrypted, or is packed in another way than by
        deflate.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_sizes(members, where, limits)
            seen: set[str] = set()
            for member in members:
                fault = fault_of(member, seen)
                if fault:
                    raise DataError(f"{where}: its member {member.orig_filename!r} {fault}.")
            wanted = [member for member in members if member.filename.lower().endswith(suffix)]
            return {member.filename: _unpack(archive, member, where) for member in wanted}
    except DAMAGE as error:
        raise DataError(f"{where}: expected a whole ZIP archive, found damage ({error}).") from error


def _check_sizes(members: list[zipfile.ZipInfo], where: str, limits: Limits) -> None:
    if len(members) > limits.members:
        raise DataError(f"{where}: expected at most {limits.members} members, found {len(members)}.")
    largest = max(members, key=lambda member: member.file_size, default=None)
    if largest and largest.file_size > limits.each:
        raise DataError(
            f"{where}: its member '{largest.filename}' unpacks to {largest.file_size} bytes; "
            f"expected at most {limits.each}."
        )
    total = sum(member.file_size for member in members)
    if total > limits.total:
        raise DataError(f"{where}: its members unpack to {total} bytes together; expected at most {limits.total}.")


def fault_of(member: zipfile.ZipInfo, seen: set[str]) -> str:
    """Why no honest archive has this member after those `seen`, which it joins; empty if one may."""
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    parts = name.removesuffix("/").split("/")
    if name != member.orig_filename or "\\" in name or ":" in parts[0] or not {"", ".", ".."}.isdisjoint(parts):
        return "has a name that leads out of the archive"
    if name in seen:
        return "is there twice"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; expected files and folders only"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is packed by method {member.compress_type}, expected deflate"
    seen.add(name)
    return ""


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    # zipfile never hands out more than the size that was declared and checked above, whatever the data unpacks to.
    with archive.open(member) as stream:
        unpacked = stream.read(member.file_size + 1)
    if len(unpacked) != member.file_size:
        raise DataError(
            f"{where}: its member '{member.filename}' unpacks to {len(unpacked)} bytes; expected {member.file_size}."
        )
    return unpacked
