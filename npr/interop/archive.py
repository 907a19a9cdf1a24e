"""A zip file that is read member by member, within limits; nothing of it is ever written to a disk."""

from __future__ import annotations

import io
import zipfile

from npr.data.archive import DAMAGE, fault_of
from npr.interop.contents import MAX_BYTES, MAX_TENSORS, ForeignError, shown

# torch and NumPy store members as they are. One that was packed again may not grow beyond this.
MAX_INFLATED = 64 << 20
_ENTRY = b"PK\x01\x02"
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
# KeyError: what a damaged directory does to zipfile when a member is opened by its entry.
_FAULTS = (*DAMAGE, KeyError)


class Archive:
    """Members of a zip file by name.

    Parameters
    ----------
    data : bytes
        The file.

    Raises
    ------
    ForeignError
        If it is damaged, a member is one that no honest archive has, or would grow beyond the limits.
    """

    def __init__(self, data: bytes) -> None:
        if data.count(_ENTRY) > 2 * MAX_TENSORS:
            raise ForeignError(f"it has more than {2 * MAX_TENSORS:,} members")
        try:
            self._file = zipfile.ZipFile(io.BytesIO(data))
        except _FAULTS as error:
            raise ForeignError(f"it is a damaged zip file ({str(error)[:80]})") from error
        members = self._file.infolist()
        seen: set[str] = set()
        for member in members:
            fault = fault_of(member, seen)
            if fault:
                raise ForeignError(f"member {shown(member.orig_filename)} {fault}")
        self._members = {member.filename: member for member in members}
        # Members may share bytes, so that each alone looks harmless.
        if sum(member.file_size for member in members if member.compress_type == _STORED) > len(data):
            raise ForeignError("its members claim more bytes than the file has")
        inflated = sum(member.file_size for member in members if member.compress_type == _DEFLATED)
        if inflated > MAX_INFLATED:
            raise ForeignError(f"its compressed members would grow to {inflated:,} bytes, {MAX_INFLATED:,} are allowed")

    @property
    def names(self) -> list[str]:
        """Names of all members."""
        return list(self._members)

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """Bytes of one member, of which there are at most `limit`.

        Raises
        ------
        ForeignError
            If there is none of that name, or it is larger or damaged.
        """
        if name not in self._members:
            raise ForeignError(f"it lacks the member {shown(name)}")
        member = self._members[name]
        if member.file_size > limit:
            raise ForeignError(f"member {shown(name)} has {member.file_size:,} bytes, at most {limit:,} were expected")
        try:
            with self._file.open(member) as opened:
                return opened.read(limit + 1)
        except _FAULTS as error:
            raise ForeignError(f"member {shown(name)} is damaged ({str(error)[:80]})") from error
