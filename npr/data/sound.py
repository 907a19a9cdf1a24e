"""One channel of sound as every file format gives it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npr.errors import DataError

ACCEPTED = "one channel of PCM samples of 16 bits"
_FULL_SCALE = 32768.0


class Sound(NamedTuple):
    """Samples (n,) int16, n at least 1, and their rate in Hz."""

    samples: NDArray[np.int16]
    rate: int

    def wave(self) -> NDArray[np.float64]:
        """The samples divided by 32,768: in [-1, 1)."""
        return self.samples / _FULL_SCALE


class Header(NamedTuple):
    """What a file says about its samples: channels, bytes of a sample, Hz, and samples of each channel."""

    channels: int
    width: int
    rate: int
    samples: int


def sound(header: Header, raw: bytes, where: str, order: str = "<") -> Sound:
    """The sound that `header` describes and `raw` holds.

    Parameters
    ----------
    header : Header
        What the file says.
    raw : bytes
        Its samples as stored.
    where : str
        What to call the file in errors.
    order : {"<", ">"}
        Byte order of the samples.

    Returns
    -------
    Sound

    Raises
    ------
    DataError
        If it has several channels or other samples, is empty, or holds fewer samples than it says.
    """
    if header.channels != 1:
        raise DataError(f"{where}: expected {ACCEPTED}, found {header.channels} channels.")
    if header.width != 2:
        raise DataError(f"{where}: expected {ACCEPTED}, found {8 * header.width} bits.")
    if header.rate < 1:
        raise DataError(f"{where}: a rate of {header.rate} samples per second is not possible.")
    if header.samples < 1:
        raise DataError(f"{where}: it holds no samples.")
    if len(raw) < 2 * header.samples:
        raise DataError(f"{where}: it is cut short: expected {header.samples} samples, found {len(raw) // 2}.")
    samples = np.frombuffer(raw, f"{order}i2", header.samples)
    return Sound(samples.astype(np.int16), header.rate)
