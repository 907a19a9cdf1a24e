"""The Free Spoken Digit Dataset: recordings {digit}_{speaker}_{take}.wav in a ZIP archive, read in place."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from npr.data import archive, wav
from npr.data.sound import Sound
from npr.errors import DataError

RATE = 8000
# 3,000 recordings, the longest of 36,568 bytes.
_LIMITS = archive.Limits(members=20_000, each=1 << 20, total=1 << 26)
_NAME = re.compile(r"([0-9])_([a-z]+)_(0|[1-9][0-9]{0,3})\.wav")


class SpokenDigit(NamedTuple):
    """One recording: the name of its file, and what that says."""

    name: str
    digit: int
    speaker: str
    take: int
    content: bytes

    def sound(self) -> Sound:
        """Its samples.

        Raises
        ------
        DataError
            If it is not a WAV file of 8,000 samples per second with one channel of 16-bit PCM.
        """
        found = wav.parse(self.content, self.name)
        if found.rate != RATE:
            raise DataError(f"{self.name}: expected {RATE} samples per second, found {found.rate}.")
        return found


def parse(content: bytes | bytearray, where: str) -> list[SpokenDigit]:
    """All recordings of an archive, sorted by digit, speaker and take.

    Folders inside the archive do not matter, nor do members that are no WAV files: `recordings.zip` and the archive
    of the whole repository are the same set.

    Parameters
    ----------
    content : bytes or bytearray
        The archive.
    where : str
        What to call it in errors.

    Returns
    -------
    list of SpokenDigit

    Raises
    ------
    DataError
        If the archive is damaged or hostile, has no recordings, has one twice, or has one with another name.
    """
    found: dict[str, SpokenDigit] = {}
    for path, data in archive.read(content, where, ".wav", _LIMITS).items():
        name = path.rsplit("/", 1)[-1]
        match = _NAME.fullmatch(name)
        if not match:
            raise DataError(f"{where}: expected names like 7_jackson_32.wav, found '{path}'.")
        if name in found:
            raise DataError(f"{where}: the recording {name} is there twice.")
        digit, speaker, take = match.groups()
        found[name] = SpokenDigit(f"{where}: {path}", int(digit), speaker, int(take), data)
    if not found:
        raise DataError(f"{where}: the archive holds no WAV files.")
    return sorted(found.values(), key=lambda one: (one.digit, one.speaker, one.take))


def digest(recordings: list[SpokenDigit]) -> str:
    """SHA-256, hexadecimal, over the recordings in the order of their names.

    Of each: its name, a zero byte, the length of its content as eight bytes, little-endian, the content. The archive
    around them does not count: others pack the same recordings differently.
    """
    total = hashlib.sha256()
    for name, content in sorted((_file(one), one.content) for one in recordings):
        total.update(name.encode() + b"\0" + len(content).to_bytes(8, "little") + content)
    return total.hexdigest()


def check(content: bytes | bytearray, where: str, sha256: str) -> None:
    """Raise DataError, naming `where`, unless `content` is an archive whose recordings have the digest `sha256`."""
    recordings = parse(content, where)
    found = digest(recordings)
    if found != sha256:
        raise DataError(
            f"{where}: expected recordings with sha256 {sha256}, found {len(recordings)} recordings with {found}."
        )


def _file(one: SpokenDigit) -> str:
    return f"{one.digit}_{one.speaker}_{one.take}.wav"
