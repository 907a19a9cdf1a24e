"""The task speech on spoken digits: what goes in, what is wanted, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import run_of
from speech_samples import SPEAKERS, digit_members, digit_set, wav_bytes, write_digits, zip_bytes

from npr.context import Forward
from npr.data import Unreachable, fsdd, known, search
from npr.data.features import LogMagnitude, LogMel
from npr.errors import ConfigError, DataError
from npr.losses import mse
from npr.tasks.base import Batch, Dataset
from npr.tasks.speech import Speech
from npr.training.evaluation import score
from npr.training.parts import Weights, counted, hits

ARCHIVE = zip_bytes(digit_members())
RECORDINGS = fsdd.parse(ARCHIVE, "sample")
# Read before the fixture hides it.
REAL = Path(os.environ.get("NPR_DATA_DIR", "."))
SMALL = {"n_mels": 8, "max_frames": 40}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a few tones under the name of the spoken digits; an empty cache; no network."""
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(known.SETS, "fsdd", digit_set(ARCHIVE))
    return write_digits(tmp_path / "data", ARCHIVE)


def _open(folder: Path, **options: Any) -> Dataset:
    return Speech(**(SMALL | options)).open("auto", folder, log=lambda line: None)


def _all(dataset: Dataset, split: str, dtype: type = np.float64) -> Batch:
    (batch,) = dataset.batches(split, 1000, dtype)
    return batch


def _takes(*takes: int) -> list[fsdd.SpokenDigit]:
    return [one for one in RECORDINGS if one.take in takes]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, (40, 10, 250, "last", "cross-entropy", "accuracy", True)),
        ({"features": "mfcc", "n_mfcc": 12, "deltas": 2}, (36, 10, 250, "last", "cross-entropy", "accuracy", True)),
        ({"target": "phone", "n_mels": 23}, (23, 39, 800, "every", "cross-entropy", "accuracy", True)),
        ({"target": "next-frame", "features": "log-magnitude"}, (129, 129, 800, "every", "mse", "loss", False)),
        ({"sample_rate": 16_000, "features": "log-magnitude", "max_frames": 9},
         (257, 10, 9, "last", "cross-entropy", "accuracy", True)),
    ],
)  # fmt: skip
def test_the_shape_of_the_task(options: dict[str, Any], sizes: tuple) -> None:
    task = Speech(**options)
    named = ("input_size", "output_size", "seq_len", "readout", "loss", "metric", "higher_is_better")
    assert tuple(getattr(task, name) for name in named) == sizes


@pytest.mark.parametrize(
    "option",
    [
        {"target": "word"},
        {"split": "half"},
        {"validation": "tail:5"},
        {"features": "plp"},
        {"normalise": "test"},
        {"last_frame": "zero"},
        {"sample_rate": 11_025},
        {"pool": -1},
        {"max_frames": 1.5},
        {"n_mels": 500},
        {"features": "mfcc", "n_mfcc": 41},
    ],
)
def test_bad_options_are_refused_at_once(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Speech(**option)


def test_digits_are_cut_by_takes(folder: Path) -> None:
    dataset = _open(folder)
    each = len(SPEAKERS) * 10
    assert dataset.sizes == {"train": 2 * each, "validation": 5 * each, "test": 5 * each}
    for split, takes in (("train", (10, 11)), ("validation", range(5, 10)), ("test", range(5))):
        wanted = [one.digit for one in _takes(*takes)]
        assert _all(dataset, split).target.tolist() == wanted
    assert (dataset.name, dataset.notice) == ("speech", "")


def test_frames_are_those_of_the_recordings(folder: Path) -> None:
    batch = _all(_open(folder, normalise="none"), "validation")
    features = LogMel(8000, n_mels=8)
    assert batch.lengths is not None
    for b, one in enumerate(_takes(*range(5, 10))):
        wanted = features.frames(one.sound().wave())
        assert batch.lengths[b] == len(wanted)
        np.testing.assert_allclose(batch.x[: len(wanted), b], wanted, rtol=1e-6)
        assert not batch.x[len(wanted) :, b].any()


def test_the_training_set_says_how_all_are_normalised(folder: Path) -> None:
    dataset, plain = _open(folder), _open(folder, normalise="none")
    own = [LogMel(8000, n_mels=8).frames(one.sound().wave()) for one in _takes(10, 11)]
    mean, deviation = np.concatenate(own).mean(axis=0), np.concatenate(own).std(axis=0)
    for split in ("train", "test"):
        batch, raw = _all(dataset, split), _all(plain, split)
        inside = np.arange(len(batch.x))[:, None] < batch.lengths
        np.testing.assert_allclose(batch.x[inside], (raw.x[inside] - mean) / deviation, rtol=1e-4, atol=1e-4)


def test_the_next_frame_follows(folder: Path) -> None:
    lines: list[str] = []
    options = {"target": "next-frame", "features": "log-magnitude", "normalise": "none"}
    dataset = Speech(**options).open("fsdd", folder, lines.append)
    batch = _all(dataset, "validation")
    assert batch.lengths is not None
    for b, one in enumerate(_takes(*range(5, 10))):
        frames = LogMagnitude(8000).frames(one.sound().wave())
        assert batch.lengths[b] == len(frames) - 1
        np.testing.assert_allclose(batch.x[: len(frames) - 1, b], frames[:-1], rtol=1e-6)
        np.testing.assert_allclose(batch.target[: len(frames) - 1, b], frames[1:], rtol=1e-6)
    guesses = dataset.provenance["baselines"]
    assert guesses["frame repeated"] == pytest.approx(
        np.mean([((batch.target[:n, b] - batch.x[:n, b]) ** 2).sum() for b, n in enumerate(batch.lengths)])
        / (batch.lengths.mean() * 129)
    )
    assert f"baseline: frame repeated: validation loss {guesses['frame repeated']:.4f}" in lines


@pytest.mark.parametrize("normalise", ["none", "train"])
def test_silence_may_follow_the_last_frame(folder: Path, normalise: str) -> None:
    options = {"target": "next-frame", "features": "log-magnitude", "normalise": normalise}
    masked = _all(_open(folder, **options), "test")
    silent = _all(_open(folder, **options, last_frame="silence"), "test")
    assert masked.lengths is not None
    assert silent.lengths is not None
    assert (silent.lengths - masked.lengths).tolist() == [1] * len(masked.lengths)
    for b, length in enumerate(masked.lengths):
        np.testing.assert_array_equal(silent.x[:length, b], masked.x[:length, b])
        np.testing.assert_array_equal(silent.target[:length, b], masked.target[:length, b])
        # The recordings end in zeros, so their own last frame is silence too.
        np.testing.assert_array_equal(silent.target[length, b], silent.x[length, b])
        if normalise == "none":
            assert (silent.target[length, b] == -50).all()


class _Half:
    """A model that answers half of its input at every step."""

    def forward(self, ctx: Any, params: Any, buffers: Any, x: np.ndarray, state: Any = None, lengths: Any = None):
        inside = np.arange(len(x))[:, None] < lengths
        return Forward(0.5 * x * inside[:, :, None], (), buffers, None)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_every_frame_and_value_counts_the_same(folder: Path, batch_size: int) -> None:
    dataset = _open(folder, target="next-frame")
    _, parts = run_of("plain", batch_size=batch_size)
    parts = parts._replace(dataset=dataset, model=_Half(), loss=mse, metric="loss", higher=False)
    batch = _all(dataset, "validation", np.float32)
    assert batch.lengths is not None
    errors = [(0.5 * batch.x[:length, b] - batch.target[:length, b]) ** 2 for b, length in enumerate(batch.lengths)]
    wanted = np.concatenate(errors).mean(dtype=np.float64)
    assert score(parts, Weights({}, {}), "validation", "running")["loss"] == pytest.approx(wanted, rel=1e-6)


def test_masked_steps_count_neither_in_the_loss_nor_as_hits() -> None:
    output = np.eye(3)[[[0, 1], [1, 1], [2, 0]]]
    target = np.array([[0, 0], [1, 1], [0, 0]])
    mask = np.array([[True, False], [False, True], [True, True]])
    batch = Batch(np.zeros((3, 2, 1)), target, np.array([3, 2]), mask=mask)
    weight = counted(batch, output)
    assert weight is not None
    assert weight.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert hits(batch, output, weight) == (2, 3)
    alone = counted(batch._replace(lengths=None), output)
    assert alone is not None
    assert alone.tolist() == mask.astype(float).tolist()


def test_provenance_is_json_and_says_everything(folder: Path) -> None:
    provenance = json.loads(json.dumps(_open(folder, split="speaker:ben").provenance))
    assert provenance["sha256"] == {"recordings.zip": known.find("fsdd").files[0].sha256}
    assert (provenance["data"], provenance["source"]) == ("fsdd", "--data-dir")
    assert (provenance["split"], provenance["validation"], provenance["features"]) == (
        "speaker:ben",
        "standard",
        "log-mel",
    )


def test_speakers_can_be_kept_apart(folder: Path) -> None:
    dataset = _open(folder, split="speaker:ben", validation="none")
    assert dataset.sizes == {"train": 120, "validation": 0, "test": 120}
    assert list(dataset.batches("validation", 8)) == []


def test_the_data_must_have_the_target(folder: Path) -> None:
    with pytest.raises(ConfigError, match="data = 'timit' has no target = 'digit'; it has phone, next-frame"):
        Speech().open("timit", folder)
    with pytest.raises(ConfigError, match="data = 'fsdd' has no target = 'phone'; it has digit, next-frame"):
        Speech(target="phone").open("fsdd", folder)
    with pytest.raises(ConfigError, match=r"Unknown data source 'fsd'. Did you mean 'fsdd'\?.*auto, fsdd, timit"):
        Speech().open("fsd", folder)
    with pytest.raises(ConfigError, match="the spoken digits have 8000"):
        Speech(sample_rate=16_000).open("fsdd", folder)


def test_a_recording_longer_than_planned_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_frames = 10: .*_anna_.*\.wav has 1\d frames"):
        _open(folder, max_frames=10)


def test_a_single_frame_has_no_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = zip_bytes(digit_members() | {"recordings/3_ben_7.wav": wav_bytes(np.ones(150, np.int16))})
    monkeypatch.setitem(known.SETS, "fsdd", digit_set(content))
    assert _open(write_digits(tmp_path / "short", content)).sizes["train"] == 40
    with pytest.raises(DataError, match=r"3_ben_7\.wav: it has one frame alone"):
        _open(tmp_path / "short", target="next-frame")


def test_nothing_takes_the_place_of_missing_recordings() -> None:
    with pytest.raises(Unreachable, match=r"fsdd is not on this machine.*v1\.zip as recordings\.zip"):
        Speech().open("auto", log=lambda line: None)


def test_damage_is_found_before_training(folder: Path) -> None:
    (folder / "fsdd" / "recordings.zip").write_bytes(ARCHIVE[:-100])
    with pytest.raises(DataError, match=r"--data-dir names a folder with a damaged file.*recordings\.zip"):
        _open(folder)


@pytest.mark.skipif(
    not (REAL / "fsdd" / "recordings.zip").is_file(), reason="needs the real spoken digits below NPR_DATA_DIR"
)
def test_the_real_spoken_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known.SETS, "fsdd", known.FSDD)
    dataset = Speech().open("fsdd", REAL, log=lambda line: None)
    assert dataset.sizes == {"train": 2400, "validation": 300, "test": 300}
    batch = next(dataset.batches("test", 300))
    assert np.bincount(batch.target).tolist() == [30] * 10
    assert batch.lengths is not None
    assert batch.x.shape == (batch.lengths.max(), 300, 40)
    assert np.isfinite(batch.x).all()
    assert np.abs(batch.x).max() < 10
