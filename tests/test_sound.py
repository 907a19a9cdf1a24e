"""WAV and SPHERE files: the samples they hold, and a clear no to everything else."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from speech_samples import float_wav, sphere_bytes, tone, wav_bytes

from npr.data import sphere, wav
from npr.data.sound import Sound
from npr.errors import DataError

SAMPLES = tone(300, 440)
WAV, SPHERE = wav_bytes(SAMPLES), sphere_bytes(SAMPLES)


@pytest.mark.parametrize(
    ("parse", "content", "rate"),
    [
        (wav.parse, WAV, 8000),
        (wav.parse, WAV + b"\0" * 5, 8000),
        (sphere.parse, SPHERE, 16_000),
        (sphere.parse, sphere_bytes(SAMPLES, order=">"), 16_000),
        (sphere.parse, sphere_bytes(SAMPLES, size=2048), 16_000),
        (sphere.parse, sphere_bytes(SAMPLES, sample_coding="-s3 pcm"), 16_000),
        (sphere.parse, SPHERE + b"\0" * 5, 16_000),
    ],
)
def test_samples_come_back(parse: Callable[[bytes, str], Sound], content: bytes, rate: int) -> None:
    found = parse(content, "sample")
    np.testing.assert_array_equal(found.samples, SAMPLES)
    assert (found.samples.dtype, found.rate) == (np.int16, rate)


def test_full_scale_is_one() -> None:
    found = wav.parse(wav_bytes(np.array([-32768, 0, 16384, 32767], np.int16)), "sample").wave()
    assert found.tolist() == [-1.0, 0.0, 0.5, 32767 / 32768]


BAD_WAV = {
    "stereo": (wav_bytes(SAMPLES, channels=2), "expected one channel of PCM samples of 16 bits, found 2 channels"),
    "8 bits": (wav_bytes(SAMPLES, width=1), "found 8 bits"),
    "24 bits": (wav_bytes(SAMPLES, width=3), "found 24 bits"),
    "floats": (float_wav(), "expected a WAV file with one channel of PCM samples of 16 bits, but: unknown format: 3"),
    "no samples": (wav_bytes(SAMPLES[:0]), "it holds no samples"),
    "cut": (WAV[:-100], "it is cut short: expected 300 samples, found 250"),
    "cut header": (WAV[:30], "it ends too early"),
    "empty": (b"", "it ends too early"),
    "other": (b"<!DOCTYPE html>" * 20, "file does not start with RIFF id"),
    "promises 4 GB": (WAV[:40] + b"\xfe\xff\xff\xff" + WAV[44:], "cut short: expected 2147483647 samples, found 300"),
    "no rate": (WAV[:24] + b"\0" * 4 + WAV[28:], "a rate of 0"),
}


@pytest.mark.parametrize(("content", "says"), BAD_WAV.values(), ids=BAD_WAV.keys())
def test_other_wav_files_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        wav.parse(content, "a.zip: b.wav")
    assert str(caught.value).startswith("a.zip: b.wav: ")


BAD_SPHERE = {
    "shorten": (
        sphere_bytes(SAMPLES, sample_coding="-s26 pcm,embedded-shorten-v2.00"),
        "found the coding 'pcm,embedded-shorten-v2.00'. Unpack it",
    ),
    "mu-law": (sphere_bytes(SAMPLES, sample_coding="-s4 ulaw"), "found the coding 'ulaw'"),
    "stereo": (sphere_bytes(SAMPLES, channel_count="-i 2"), "found 2 channels"),
    "8 bits": (sphere_bytes(SAMPLES, sample_n_bytes="-i 1"), "found 8 bits"),
    "byte order": (sphere_bytes(SAMPLES, sample_byte_format="-s4 0123"), "expected the byte format 01 or 10"),
    "no rate": (sphere_bytes(SAMPLES, sample_rate=""), "should say sample_rate as a whole number, found ''"),
    "negative": (sphere_bytes(SAMPLES, sample_count="-i -1"), "should say sample_count as a whole number, found '-1'"),
    "no samples": (sphere_bytes(SAMPLES[:0]), "it holds no samples"),
    "cut": (SPHERE[:-100], "cut short: expected 300 samples, found 250"),
    "cut header": (SPHERE[:500], "cut short: expected a header of 1024 bytes, found 500"),
    "no end": (SPHERE.replace(b"end_head", b"end_hand"), "has no 'end_head'"),
    "no size": (SPHERE[:8] + b"   -024\n" + SPHERE[16:], "not a NIST SPHERE file"),
    "other": (WAV, "not a NIST SPHERE file"),
    "empty": (b"", "not a NIST SPHERE file"),
}


@pytest.mark.parametrize(("content", "says"), BAD_SPHERE.values(), ids=BAD_SPHERE.keys())
def test_other_sphere_files_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        sphere.parse(content, "SA1.WAV")
    assert str(caught.value).startswith("SA1.WAV: ")


def _outcome(parse: Callable[[bytes, str], Sound], content: bytes) -> str:
    """Whether there are samples, or how the refusal begins."""
    try:
        return "samples" if len(parse(content, "sample").samples) else "nothing"
    except DataError as error:
        return str(error)[:8]


@pytest.mark.parametrize(("parse", "good"), [(wav.parse, WAV), (sphere.parse, SPHERE)])
def test_damaged_headers_give_no_other_error(parse: Callable[[bytes, str], Sound], good: bytes) -> None:
    rng = random.Random(3)
    for _ in range(500):
        content = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(200 if parse is sphere.parse else 44)] = rng.randrange(256)
        assert _outcome(parse, bytes(content)) in ("samples", "sample: ")
