"""Small stand-ins for recordings: WAV and SPHERE files, archives of spoken digits, a TIMIT folder."""

from __future__ import annotations

import io
import struct
import wave
import zipfile
from pathlib import Path

import numpy as np

from npr.data import fsdd
from npr.data.known import KnownFile, KnownSet

CLOSED = "http://127.0.0.1:9/fsdd"
SPEAKERS = ("anna", "ben")


def tone(samples: int, hertz: float, rate: int = 8000, seed: int = 0) -> np.ndarray:
    """A sine with a little noise, int16."""
    noise = np.random.default_rng(seed).normal(0, 100, samples)
    return (8000 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate) + noise).astype(np.int16)


def wav_bytes(samples: np.ndarray | bytes, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """A RIFF file of raw samples."""
    to = io.BytesIO()
    with wave.open(to, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(samples))
    return to.getvalue()


def float_wav(samples: int = 100) -> bytes:
    """A RIFF file of 32-bit floats (format 3), which is not PCM."""
    data = b"\0" * 4 * samples
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 8000, 32000, 4, 32)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def sphere_bytes(samples: np.ndarray, rate: int = 16_000, order: str = "<", size: int = 1024, **changes: str) -> bytes:
    """A SPHERE file; changes replace header fields, an empty one removes it."""
    fields = {
        "database_id": "-s5 TIMIT",
        "channel_count": "-i 1",
        "sample_count": f"-i {len(samples)}",
        "sample_rate": f"-i {rate}",
        "sample_n_bytes": "-i 2",
        "sample_byte_format": "-s2 01" if order == "<" else "-s2 10",
    } | changes
    lines = "".join(f"{name} {value}\n" for name, value in fields.items() if value)
    header = f"NIST_1A\n{size:7d}\n{lines}end_head\n".encode()
    return header.ljust(size, b"\0") + samples.astype(f"{order}i2").tobytes()


def zip_bytes(members: dict[str, bytes]) -> bytes:
    """An archive of these members."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return to.getvalue()


def digit_members(takes: int = 12, speakers: tuple[str, ...] = SPEAKERS, digits: int = 10) -> dict[str, bytes]:
    """Recordings of every digit by every speaker, by name; digits differ in pitch, recordings in length."""
    members = {}
    for digit in range(digits):
        for s, speaker in enumerate(speakers):
            for take in range(takes):
                seed = (digit * 10 + s) * 100 + take
                samples = tone(900 + 160 * ((digit + take + s) % 7), 250 + 150 * digit + 20 * s, seed=seed)
                members[f"recordings/{digit}_{speaker}_{take}.wav"] = wav_bytes(samples)
    return members


def digit_set(content: bytes, mirror: str = CLOSED) -> KnownSet:
    """The description of an archive as the data set fsdd."""
    sha256 = fsdd.digest(fsdd.parse(content, "sample"))
    file = KnownFile("recordings.zip", 1 << 22, sha256, checker=fsdd.check, remote="v1.zip")
    return KnownSet("fsdd", "a few tones", "none", (file,), (mirror,))


def write_digits(folder: Path, content: bytes) -> Path:
    """Put an archive where it is looked for below `folder`; returns `folder`."""
    (folder / "fsdd").mkdir(parents=True, exist_ok=True)
    (folder / "fsdd" / "recordings.zip").write_bytes(content)
    return folder


# Speakers of a little TIMIT: two to train, one of the development set, one of the core test.
TIMIT_SPEAKERS = {"train": ("FCJF0", "MDAC0"), "test": ("FAKS0", "MDAB0")}
PHONES = ((0, 2000, "h#"), (2000, 5000, "sh"), (5000, 5600, "q"), (5600, 8000, "iy"))


def write_timit(
    folder: Path,
    upper: bool = True,
    riff: bool = False,
    phones: tuple[tuple[int, int, str], ...] = PHONES,
    sentences: tuple[str, ...] = ("SA1", "SI648", "SX37"),
) -> Path:
    """A little TIMIT of 16 kHz; returns `folder`."""
    for part, speakers in TIMIT_SPEAKERS.items():
        for s, speaker in enumerate(speakers):
            names = (part, "dr1", speaker) if upper else (part, "dr1", speaker.lower())
            at = folder.joinpath(*(name.upper() if upper else name for name in names))
            at.mkdir(parents=True)
            for k, sentence in enumerate(sentences):
                stem = sentence if upper else sentence.lower()
                samples = tone(8000 + 320 * k, 300 + 200 * s + 50 * k, 16_000, seed=10 * s + k)
                content = wav_bytes(samples, 16_000) if riff else sphere_bytes(samples)
                (at / f"{stem}.{'WAV' if upper else 'wav'}").write_bytes(content)
                text = "".join(f"{start} {end} {phone}\n" for start, end, phone in phones)
                (at / f"{stem}.{'PHN' if upper else 'phn'}").write_text(text)
    return folder
