"""Features against plain sums written from their definitions, and against figures known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from npr.data.cepstrum import MFCC, Derivatives, slope
from npr.data.features import Features, LogMagnitude, LogMel, hertz, mel, spectra
from npr.errors import ConfigError

RNG = np.random.default_rng(3)
SOUND = 0.3 * RNG.normal(size=700)


def _dft(frame: np.ndarray, n_fft: int) -> np.ndarray:
    """|X_k|, k = 0 .. n_fft / 2, as a sum over the windowed samples."""
    n = np.arange(len(frame))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / len(frame))
    waves = np.exp(-2j * np.pi * np.outer(np.arange(n_fft // 2 + 1), n) / n_fft)
    return np.abs(waves @ (window * frame))


def _triangles(count: int, bins: int, n_fft: int, rate: int, low: float, high: float) -> np.ndarray:
    """H (bins, count), entry by entry."""
    first, last = (2595 * math.log10(1 + f / 700) for f in (low, high))
    step = (last - first) / (count + 1)
    edges = [700 * (10 ** ((first + i * step) / 2595) - 1) for i in range(count + 2)]
    bank = np.zeros((bins, count))
    for k in range(bins):
        f = k * rate / n_fft
        for m in range(count):
            if edges[m] <= f <= edges[m + 1]:
                bank[k, m] = (f - edges[m]) / (edges[m + 1] - edges[m])
            elif edges[m + 1] < f <= edges[m + 2]:
                bank[k, m] = (edges[m + 2] - f) / (edges[m + 2] - edges[m + 1])
    return bank


def _log_mel(sound: np.ndarray, power: float = 2.0, low: float = 20.0, high: float = 4000.0) -> np.ndarray:
    """Twelve bands of 200-sample frames, 80 apart, at 8 kHz."""
    count = 1 + math.ceil((len(sound) - 200) / 80) if len(sound) > 200 else 1
    padded = np.append(sound, np.zeros(count * 80 + 200))
    bank = _triangles(12, 129, 256, 8000, low, high)
    frames = [_dft(padded[80 * t : 80 * t + 200], 256) for t in range(count)]
    return np.array([np.log(1e-8 + (frame**power) @ bank) for frame in frames])


@pytest.mark.parametrize("length", [1, 199, 200, 201, 280, 281, 700])
def test_log_mel_is_the_sum_it_is_defined_by(length: int) -> None:
    wanted = _log_mel(SOUND[:length])
    np.testing.assert_allclose(LogMel(8000, n_mels=12).frames(SOUND[:length]), wanted, rtol=1e-10)


def test_power_and_band_limits_count() -> None:
    found = LogMel(8000, n_mels=12, power=1.0, f_min=300.0, f_max=3400.0).frames(SOUND)
    np.testing.assert_allclose(found, _log_mel(SOUND, 1.0, 300.0, 3400.0), rtol=1e-10)


def test_htk_mel_scale() -> None:
    assert mel(1000.0) == pytest.approx(999.9855, abs=1e-4)
    assert mel(0.0) == 0
    np.testing.assert_allclose(hertz(mel(SOUND**2)), SOUND**2, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("hertz", [500, 1000, 2500])
def test_a_tone_is_loudest_in_its_band(hertz: int) -> None:
    features = LogMel(8000)
    sound = np.sin(2 * np.pi * hertz * np.arange(800) / 8000)
    edges = np.linspace(float(mel(20.0)), float(mel(4000.0)), 42)
    band = int(features.frames(sound)[3].argmax())
    assert edges[band] < mel(float(hertz)) < edges[band + 2]


@pytest.mark.parametrize("lifter", [0, 22])
def test_mfcc_is_the_sum_it_is_defined_by(lifter: int) -> None:
    energies = _log_mel(SOUND)
    m = np.arange(12) + 0.5
    wanted = np.empty((len(energies), 7))
    for n in range(7):
        scale = math.sqrt(1 / 12) if n == 0 else math.sqrt(2 / 12)
        lift = 1 + lifter / 2 * math.sin(math.pi * n / lifter) if lifter else 1
        wanted[:, n] = lift * scale * (energies * np.cos(np.pi * n * m / 12)).sum(axis=1)
    found = MFCC(LogMel(8000, n_mels=12), 7, lifter).frames(SOUND)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


def test_derivatives_are_regressions_with_repeated_ends() -> None:
    values = RNG.normal(size=(6, 3))
    wide = values[[0, 0, 0, 1, 2, 3, 4, 5, 5, 5]]
    wanted = [sum(k * (wide[t + 2 + k] - wide[t + 2 - k]) for k in (1, 2)) / 10 for t in range(6)]
    np.testing.assert_allclose(slope(values), wanted, atol=1e-14)
    np.testing.assert_allclose(slope(np.arange(9.0)[:, None])[2:-2], 1)
    first = Derivatives(MFCC(LogMel(8000, n_mels=12), 5), 2).frames(SOUND)
    assert first.shape[1] == 15
    np.testing.assert_allclose(first[:, 5:10], slope(first[:, :5]), atol=1e-14)
    np.testing.assert_allclose(first[:, 10:], slope(first[:, 5:10]), atol=1e-14)


@pytest.mark.parametrize("length", [1, 128, 129, 700])
def test_log_magnitude_is_the_published_one(length: int) -> None:
    hops = math.ceil(length / 128)
    padded = np.concatenate([np.zeros(256), SOUND[:length], np.zeros(hops * 128 - length), np.zeros(256)])
    frames = [_dft(padded[128 * t : 128 * t + 256], 256) for t in range(hops + 3)]
    wanted = 10 * np.log10(1e-5 + np.array(frames) ** 2)
    found = LogMagnitude(8000).frames(SOUND[:length])
    assert found.shape == (hops + 3, 129)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    np.testing.assert_allclose(found[[0, -1]], -50, rtol=1e-12)


@pytest.mark.parametrize(
    ("features", "size"),
    [
        (LogMel(8000), 40),
        (LogMel(16_000, n_mels=80), 80),
        (Derivatives(MFCC(LogMel(8000), 13, 22), 2), 39),
        (Derivatives(LogMagnitude(8000), 1), 258),
        (LogMagnitude(8000), 129),
        (LogMagnitude(16_000), 257),
    ],
)
def test_sizes_and_centres(features: Features, size: int) -> None:
    """A click in a recording is loudest in the frames whose centres lie nearest to it."""
    sound = np.zeros(4000)
    sound[1930] = 1.0
    found = features.frames(sound)
    centres = features.centres(len(found))
    assert (found.shape[1], features.size) == (size, size)
    if not isinstance(features, Derivatives):
        loudest = int(found.sum(axis=1).argmax())
        assert loudest == int(np.abs(centres - 1930).argmin())


def test_silence_is_finite() -> None:
    for features in (LogMel(8000), MFCC(LogMel(8000)), LogMagnitude(8000)):
        assert np.isfinite(features.frames(np.zeros(500))).all()


def test_spectra_count_their_frames() -> None:
    assert [len(spectra(np.ones(n), 200, 80, 256)) for n in (1, 200, 201, 280, 281)] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_mels": 0}, "n_mels"),
        ({"n_mels": 120}, "narrower than the 31.2 Hz"),
        ({"f_min": -1.0}, "f_min"),
        ({"f_max": 4001.0}, "f_max"),
        ({"f_min": 3000.0, "f_max": 2000.0}, "must be less than f_max"),
        ({"frame_ms": 0.0}, "frame_ms"),
        ({"hop_ms": math.nan}, "hop_ms"),
        ({"power": 0.0}, "power"),
    ],
)
def test_impossible_bands_are_refused(options: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        LogMel(8000, **options)


@pytest.mark.parametrize("options", [{"n_mfcc": 0}, {"n_mfcc": 41}, {"lifter": -1}])
def test_impossible_coefficients_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        MFCC(LogMel(8000), **options)


def test_there_are_two_orders_of_derivatives() -> None:
    with pytest.raises(ConfigError, match="deltas = 3"):
        Derivatives(LogMel(8000), 3)
