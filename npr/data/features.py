"""Features of sound, one row for each frame: log-mel energies, log-magnitude of the spectrum.

A frame is `frame` samples times the periodic Hann window w_n = (1 - cos(2 pi n / frame)) / 2; the next one begins
`hop` samples later, and the last is filled with zeros. X_k = sum_n w_n x_n exp(-2 pi i k n / n_fft) is its spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from npr.errors import ConfigError
from npr.fields import whole, within

Floats = NDArray[np.float64]
# Added to energies before the logarithm: about what rounding to 16 bits puts into a band.
ENERGY_FLOOR = 1e-8
POWER_FLOOR = 1e-5


class Features(Protocol):
    """A way to turn samples into frames."""

    @property
    def size(self) -> int:
        """Values per frame."""

    def frames(self, samples: Floats) -> Floats:
        """Features (T, size) of samples (n,) in [-1, 1], n at least 1; T is at least 1."""

    def centres(self, count: int) -> NDArray[np.int64]:
        """The sample at the centre of each of `count` frames; it may lie outside the recording."""


@dataclass(frozen=True)
class LogMel:
    """E_m = ln(1e-8 + sum_k H_mk |X_k|^power), the energies in triangular bands that are even on the mel scale.

    mel(f) = 2595 log10(1 + f / 700), HTK's scale (not Slaney's, which is linear up to 1 kHz). n_mels + 2 edges lie
    evenly in mel between f_min and f_max; H_m rises from edge m to 1 at edge m + 1 and falls to edge m + 2, linearly
    in Hz, without division by its area. T = 1 + ceil((n - frame) / hop), at least 1; n_fft is the power of two from
    `frame` on.

    Parameters
    ----------
    rate : int
        Samples per second.
    frame_ms, hop_ms : float
        Length of a frame, and from one frame to the next, milliseconds.
    n_mels : int
        Bands.
    f_min, f_max : float
        Ends of the bands, Hz; f_max = 0 for half the rate.
    power : float
        2 for energies, 1 for magnitudes.

    Raises
    ------
    ConfigError
        If a value is not possible, or a band is so narrow that no frequency of the spectrum lies in it.

    Source: Young et al., The HTK Book, section 5.4; librosa with htk=True and norm=None has the same H.
    """

    rate: int
    frame_ms: float = 25.0
    hop_ms: float = 10.0
    n_mels: int = 40
    f_min: float = 20.0
    f_max: float = 0.0
    power: float = 2.0

    def __post_init__(self) -> None:
        within("[1, 1000]", frame_ms=self.frame_ms, hop_ms=self.hop_ms)
        whole("[1, 1000]", n_mels=self.n_mels)
        within(f"[0, {self.rate / 2}]", f_min=self.f_min, f_max=self.f_max)
        within("(0, 4]", power=self.power)
        if self.f_min >= self._top:
            raise ConfigError(f"f_min = {self.f_min}: it must be less than f_max, which is {self._top} Hz.")
        empty = np.flatnonzero(~self.bank.any(axis=0))
        if len(empty):
            raise ConfigError(
                f"n_mels = {self.n_mels}: band {empty[0]} is narrower than the {self.rate / self.n_fft:.1f} Hz between "
                f"two frequencies of the spectrum. Take fewer bands or longer frames."
            )

    @property
    def size(self) -> int:
        """One value per band."""
        return self.n_mels

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return max(round(self.rate * self.frame_ms / 1000), 1)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return max(round(self.rate * self.hop_ms / 1000), 1)

    @property
    def n_fft(self) -> int:
        """Points of the spectrum."""
        return 1 << (self.frame - 1).bit_length()

    @property
    def _top(self) -> float:
        return self.f_max or self.rate / 2

    @cached_property
    def bank(self) -> Floats:
        """H (n_fft / 2 + 1, n_mels)."""
        edges = hertz(np.linspace(mel(self.f_min), mel(self._top), self.n_mels + 2))
        f = np.arange(self.n_fft // 2 + 1)[:, None] * (self.rate / self.n_fft)
        low, peak, high = edges[:-2], edges[1:-1], edges[2:]
        return np.clip(np.minimum((f - low) / (peak - low), (high - f) / (high - peak)), 0, None)

    def frames(self, samples: Floats) -> Floats:
        """E (T, n_mels)."""
        magnitude = np.abs(spectra(samples, self.frame, self.hop, self.n_fft))
        return np.log(ENERGY_FLOOR + magnitude**self.power @ self.bank)

    def centres(self, count: int) -> NDArray[np.int64]:
        """The sample at the centre of each frame."""
        return np.arange(count) * self.hop + self.frame // 2


@dataclass(frozen=True)
class LogMagnitude:
    """10 log10(1e-5 + |X_k|^2), k = 0 .. 128, of frames of 256 samples, 128 apart: at 8 kHz 32 and 16 ms.

    The samples are first filled with zeros to whole hops, then with 256 zeros at both ends. A rate of 16 kHz has
    frames twice as long and 257 values.

    Parameters
    ----------
    rate : int
        Samples per second.

    Source: stwisdom/urnn, util.py stft_mc and timit_prediction.py; so in Lezcano/expRNN 3_timit.py.
    """

    rate: int

    @property
    def frame(self) -> int:
        """Samples of a frame: 32 ms."""
        return round(self.rate * 0.032)

    @property
    def size(self) -> int:
        """129 at 8 kHz."""
        return self.frame // 2 + 1

    def frames(self, samples: Floats) -> Floats:
        """Decibels (T, size), T = ceil(n / hop) + 3."""
        hop = self.frame // 2
        padded = np.pad(samples, (self.frame, -len(samples) % hop + self.frame))
        power = np.abs(spectra(padded, self.frame, hop, self.frame)) ** 2
        return 10 * np.log10(POWER_FLOOR + power)

    def centres(self, count: int) -> NDArray[np.int64]:
        """The sample at the centre of each frame; in the zeros, one before the first or after the last sample."""
        return (np.arange(count) - 1) * (self.frame // 2)


def spectra(samples: Floats, frame: int, hop: int, n_fft: int) -> NDArray[np.complex128]:
    """X (T, n_fft / 2 + 1) of the frames of samples (n,), T = 1 + ceil((n - frame) / hop), at least 1."""
    count = 1 + max(-(-(len(samples) - frame) // hop), 0)
    padded = np.zeros((count - 1) * hop + frame)
    padded[: len(samples)] = samples
    cut = np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop]
    window = (1 - np.cos(2 * np.pi * np.arange(frame) / frame)) / 2
    return scipy.fft.rfft(cut * window, n_fft, axis=1)


def mel(f: Floats | float) -> Floats:
    """HTK's mel scale, f in Hz."""
    return 2595 * np.log10(1 + np.asarray(f, np.float64) / 700)


def hertz(m: Floats) -> Floats:
    """The inverse of `mel`."""
    return 700 * (10 ** (m / 2595) - 1)
