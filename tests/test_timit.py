"""A user's TIMIT folder: where its files are found, which phone a frame has, and what is said of odd ones."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from speech_samples import PHONES, sphere_bytes, tone, write_timit

from npr.data import search, timit
from npr.data.features import LogMagnitude, LogMel
from npr.data.phones import CLASSES
from npr.errors import DataError
from npr.tasks.base import Dataset
from npr.tasks.speech import Speech


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))


def _open(folder: Path, **options: Any) -> Dataset:
    return Speech(**({"target": "phone", "n_mels": 8} | options)).open("timit", folder, log=lambda line: None)


def _batch(dataset: Dataset, split: str):
    (batch,) = dataset.batches(split, 100, np.float64)
    return batch


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("place", ["TIMIT", "timit", "timit/TIMIT", "data", "."])
def test_every_layout_is_found(tmp_path: Path, upper: bool, place: str) -> None:
    write_timit(tmp_path / "named" / place, upper)
    found = timit.find(tmp_path / "named")
    assert [(one.part, one.speaker, one.sentence) for one in found] == [
        (part, speaker, sentence)
        for part, speakers in (("train", ("fcjf0", "mdac0")), ("test", ("faks0", "mdab0")))
        for speaker in speakers
        for sentence in ("si648", "sx37")
    ]
    assert {len(one.segments()) for one in found} == {len(PHONES)}


@pytest.mark.parametrize("riff", [True, False])
def test_both_kinds_of_sound_are_read(tmp_path: Path, riff: bool) -> None:
    first = timit.find(write_timit(tmp_path, riff=riff))[0].sound()
    np.testing.assert_array_equal(first.samples, tone(8320, 350, 16_000, seed=1))


def test_a_riff_file_beside_the_sphere_file_does_not_double_a_sentence(tmp_path: Path) -> None:
    folder = write_timit(tmp_path)
    for path in list(folder.rglob("*.WAV")):
        shutil.copy(path, path.with_name(f"{path.name}.wav"))
    assert len(timit.find(folder)) == 8
    for path in list(folder.rglob("*.WAV")):
        path.unlink()
    assert len(timit.find(folder)) == 8


@pytest.mark.parametrize("layout", ["empty", "no test part", "no sentences", "absent"])
def test_a_folder_without_timit_is_named(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "named"
    if layout == "no test part":
        shutil.rmtree(write_timit(folder) / "TEST")
    elif layout == "no sentences":
        write_timit(folder, sentences=("SA1", "SA2"))
    elif layout == "empty":
        folder.mkdir()
    with pytest.raises(DataError, match="there is no TIMIT: expected folders TRAIN and TEST"):
        _open(folder)


def test_timit_must_be_named() -> None:
    with pytest.raises(DataError, match=r"cannot be downloaded\. Name the folder.*--data-dir or NPR_DATA_DIR"):
        Speech(target="phone").open()


def test_parts_are_the_published_ones_and_an_incomplete_folder_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    dataset = Speech(target="phone").open("auto", write_timit(tmp_path), lines.append)
    assert dataset.sizes == {"train": 4, "validation": 2, "test": 2}
    assert dataset.name == "speech[timit]"
    assert dataset.provenance["data"] == "timit"
    assert "is not whole: (4, 2, 2) sentences" in dataset.notice
    assert "(3696, 400, 192)" in dataset.notice
    assert lines[-1] == dataset.notice


def test_own_speakers_are_no_reason_for_a_warning(tmp_path: Path) -> None:
    dataset = _open(write_timit(tmp_path), split="speaker:mdac0", validation="none")
    assert (dataset.notice, dataset.sizes) == ("", {"train": 2, "validation": 0, "test": 2})


def _class_at(sample: float) -> str:
    """What PHONES has at a sample of 16 kHz; nothing in the glottal stop and outside."""
    spoken = [phone for start, end, phone in PHONES if start <= sample < end]
    return {"h#": "sil", "sh": "sh", "iy": "iy"}.get(spoken[0], "") if spoken else ""


@pytest.mark.parametrize(
    ("options", "hop", "centre"),
    [
        ({}, 160, 200),
        ({"sample_rate": 16_000}, 160, 200),
        ({"features": "mfcc", "n_mfcc": 5}, 160, 200),
        ({"features": "log-magnitude"}, 256, -256),
        ({"features": "log-magnitude", "sample_rate": 16_000}, 256, -256),
    ],
)
def test_a_frame_has_the_phone_at_its_centre(tmp_path: Path, options: dict, hop: int, centre: int) -> None:
    """`hop` and `centre` of the first frame in samples of 16 kHz, in which transcriptions count."""
    batch = _batch(_open(write_timit(tmp_path), **options), "test")
    assert batch.mask is not None
    for b in range(2):
        wanted = [_class_at(centre + hop * t) for t in range(batch.lengths[b])]
        found = [CLASSES[number] for number in batch.target[: batch.lengths[b], b]]
        counts = batch.mask[: batch.lengths[b], b]
        assert [name if inside else "" for name, inside in zip(found, counts, strict=True)] == wanted
        assert {"", "sil", "sh", "iy"} == set(wanted)
        assert not batch.mask[batch.lengths[b] :, b].any()


def test_sixteen_kilohertz_are_reduced_to_eight(tmp_path: Path) -> None:
    batch = _batch(_open(write_timit(tmp_path), normalise="none"), "train")
    sound = tone(8320, 350, 16_000, seed=1) / 32768
    wanted = LogMel(8000, n_mels=8).frames(scipy.signal.resample_poly(sound, 1, 2))
    np.testing.assert_allclose(batch.x[: len(wanted), 0], wanted, rtol=1e-6)
    loudest = LogMagnitude(8000).frames(scipy.signal.resample_poly(sound, 1, 2))[10].argmax()
    assert loudest == round(350 / (8000 / 256))


def test_a_lower_rate_is_not_made_up(tmp_path: Path) -> None:
    folder = write_timit(tmp_path)
    (path,) = folder.rglob("TRAIN/DR1/FCJF0/SI648.WAV")
    path.write_bytes(sphere_bytes(tone(4000, 300), rate=8000))
    assert _open(folder).sizes["train"] == 4
    with pytest.raises(DataError, match=r"SI648\.WAV: expected 16000 samples per second or more, found 8000"):
        _open(folder, sample_rate=16_000)


def test_the_published_prediction_protocol(tmp_path: Path) -> None:
    folder = write_timit(tmp_path)
    options = {"target": "next-frame", "features": "log-magnitude", "normalise": "none", "last_frame": "silence"}
    batch = _batch(_open(folder, **options, split="swapped"), "train")
    frames = LogMagnitude(8000).frames(scipy.signal.resample_poly(tone(8320, 350, 16_000, seed=1) / 32768, 1, 2))
    length = len(frames)
    assert length == -(-4160 // 128) + 3 == batch.lengths[0]
    np.testing.assert_allclose(batch.x[:length, 0], frames, rtol=1e-5)
    np.testing.assert_allclose(batch.target[: length - 1, 0], frames[1:], rtol=1e-5)
    assert (batch.target[length - 1, 0] == -50).all()


def test_prediction_needs_no_transcription(tmp_path: Path) -> None:
    folder = write_timit(tmp_path)
    for path in folder.rglob("*.PHN"):
        path.unlink()
    assert _open(folder, target="next-frame").sizes["train"] == 4
    with pytest.raises(DataError, match=r"SI648\.WAV: there is no \.PHN file beside it"):
        _open(folder)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("SX37.PHN", b"0 8000 xx\n", r"SX37\.PHN, line 1: 'xx' is none of TIMIT's 61 phones"),
        ("SX37.PHN", b"\xff\xfe\x00", r"SX37\.PHN, line 1: expected 'start end phone'"),
        ("SX37.WAV", b"RIFF\0\0\0\0junk", r"SX37\.WAV: expected a WAV file"),
        (
            "SX37.WAV",
            sphere_bytes(tone(100, 300), sample_coding="-s26 pcm,embedded-shorten-v2.00"),
            r"SX37\.WAV: expected uncompressed .*found the coding 'pcm,embedded-shorten-v2\.00'",
        ),
        ("SX37.WAV", b"", r"SX37\.WAV: expected a WAV file"),
        ("SX37.WAV", b"\0" * (1 << 23), r"SX37\.WAV: expected at most"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    folder = write_timit(tmp_path)
    (folder / "TRAIN" / "DR1" / "MDAC0" / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        _open(folder)


def test_damage_in_sentences_that_nobody_needs_is_not_looked_at(tmp_path: Path) -> None:
    folder = write_timit(tmp_path)
    (folder / "TEST" / "DR1" / "FAKS0" / "SX37.WAV").write_bytes(b"")
    assert _open(folder, validation="none").sizes == {"train": 4, "validation": 0, "test": 2}
