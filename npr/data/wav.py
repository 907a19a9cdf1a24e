"""RIFF WAVE files.

Read with the standard library's `wave`, not with `scipy.io.wavfile`: it refuses whatever is not PCM, gives the header
before any sample is touched, and reports damage as an error; SciPy takes floats, 24 bits and A-law too, and answers a
file that is cut short with a warning and the samples there are.
"""

from __future__ import annotations

import io
import struct
import wave

from npr.data.sound import ACCEPTED, Header, Sound, sound
from npr.errors import DataError

MAGIC = b"RIFF"


def parse(content: bytes | bytearray, where: str) -> Sound:
    """The sound in the content of a WAV file; `where` names it in errors.

    Raises
    ------
    DataError
        If it is no WAV file, damaged, cut short or empty, or holds anything but one channel of 16-bit PCM.
    """
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            found = Header(file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes())
            # A header may promise gigabytes; there cannot be more than the content holds.
            raw = file.readframes(min(found.samples, len(content)))
    except (wave.Error, EOFError, RuntimeError, ValueError, struct.error) as error:
        reason = str(error) or "it ends too early"
        raise DataError(f"{where}: expected a WAV file with {ACCEPTED}, but: {reason}.") from error
    return sound(found, raw, where)
