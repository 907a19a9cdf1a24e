"""Cepstral coefficients of log-mel energies, and derivatives in time of any features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from npr.data.features import Features, Floats, LogMel
from npr.fields import whole


@dataclass(frozen=True)
class MFCC:
    """c_n = s_n (1 + L/2 sin(pi n / L)) sqrt(2/M) sum_m E_m cos(pi n (m + 1/2) / M), n = 0 .. n_mfcc - 1.

    The orthonormal DCT-II of the M log-mel energies, s_0 = 1/sqrt(2), else s_n = 1 (HTK has no s_0); the factor in
    brackets is HTK's lifter, which L = 0 leaves out.

    Parameters
    ----------
    mel : LogMel
        The energies.
    n_mfcc : int
        Coefficients, at most as many as bands.
    lifter : int
        L, 0 for none; HTK's default is 22.

    Raises
    ------
    ConfigError
        If a value is not possible.

    Source: Davis and Mermelstein 1980; Young et al., The HTK Book, section 5.6.
    """

    mel: LogMel
    n_mfcc: int = 13
    lifter: int = 0

    def __post_init__(self) -> None:
        whole(f"[1, {self.mel.n_mels}]", n_mfcc=self.n_mfcc)
        whole("[0, 1000]", lifter=self.lifter)

    @property
    def size(self) -> int:
        """The coefficients."""
        return self.n_mfcc

    def frames(self, samples: Floats) -> Floats:
        """c (T, n_mfcc)."""
        found = scipy.fft.dct(self.mel.frames(samples), type=2, norm="ortho", axis=1)[:, : self.n_mfcc]
        if self.lifter:
            found = found * (1 + self.lifter / 2 * np.sin(np.pi * np.arange(self.n_mfcc) / self.lifter))
        return found

    def centres(self, count: int) -> NDArray[np.int64]:
        """The sample at the centre of each frame."""
        return self.mel.centres(count)


@dataclass(frozen=True)
class Derivatives:
    """Features followed by their derivatives in time: regressions over two frames to each side, the ends repeated.

    d_t = sum_k k (c_{t+k} - c_{t-k}) / (2 sum_k k^2), k = 1, 2; second derivatives are those of the first.

    Parameters
    ----------
    of : LogMel, MFCC or LogMagnitude
        c.
    orders : int
        How many, 0 to 2.

    Raises
    ------
    ConfigError
        If there are to be more.

    Source: Young et al., The HTK Book, section 5.9.
    """

    of: Features
    orders: int

    def __post_init__(self) -> None:
        whole("[0, 2]", deltas=self.orders)

    @property
    def size(self) -> int:
        """Values and their derivatives."""
        return self.of.size * (1 + self.orders)

    def frames(self, samples: Floats) -> Floats:
        """c, d, and the derivatives of d (T, size)."""
        found = [self.of.frames(samples)]
        for _ in range(self.orders):
            found.append(slope(found[-1]))
        return np.concatenate(found, axis=1)

    def centres(self, count: int) -> NDArray[np.int64]:
        """The sample at the centre of each frame."""
        return self.of.centres(count)


def slope(values: Floats) -> Floats:
    """d_t = sum_k k (c_{t+k} - c_{t-k}) / 10, k = 1, 2, over rows c_t (T, n), the first and last repeated."""
    wide = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    return (wide[3:-1] - wide[1:-3] + 2 * (wide[4:] - wide[:-4])) / 10
