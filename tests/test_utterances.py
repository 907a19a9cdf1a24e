"""Frames of recordings in memory: the order of training, padded batches, what is wanted, means and variances."""

from __future__ import annotations

import json

import numpy as np
import pytest

from npr.tasks.framing import baselines
from npr.tasks.stored import StoredStream
from npr.tasks.utterances import Corpus, Utterances, standardise

LENGTHS = np.array([4, 9, 2, 7, 7, 3, 12, 5, 6, 8, 2, 11, 4])
ENDS = np.concatenate([[0], LENGTHS.cumsum()])
# Frame t of recording u is (u, t), so that a batch shows what it is made of.
FRAMES = np.array([(u, t) for u, length in enumerate(LENGTHS) for t in range(length)], np.float32)
ROWS = np.arange(1, 12)
DIGITS = np.arange(len(LENGTHS)) * 3 % 10
PHONES = np.where(FRAMES[:, 1] % 3 == 2, -1, FRAMES.sum(axis=1)).astype(np.int64)
SOUND = np.random.default_rng(1).normal(3, [1, 5, 0.1], (int(ENDS[-1]), 3)).astype(np.float32)


def _part(pool: int = 0, **targets: np.ndarray) -> Utterances:
    return Utterances(Corpus(FRAMES, ENDS, **targets), ROWS, pool)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_recordings_are_filled_up_with_zeros(dtype: type) -> None:
    rows = np.array([2, 6, 4])
    batch = _part(digits=DIGITS).batch(rows, dtype)
    assert (batch.x.shape, batch.x.dtype, batch.x.flags.c_contiguous) == ((12, 3, 2), dtype, True)
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [2, 12, 7]
    for b, row in enumerate(rows):
        assert batch.x[: LENGTHS[row], b].tolist() == [[row, t] for t in range(LENGTHS[row])]
        assert not batch.x[LENGTHS[row] :, b].any()
    assert batch.target.tolist() == DIGITS[rows].tolist()
    assert batch.mask is None


def test_phones_stand_beside_their_frames_and_those_without_are_masked() -> None:
    rows = np.array([5, 1])
    batch = _part(phones=PHONES).batch(rows, np.float32)
    assert batch.mask is not None
    assert batch.target.shape == batch.mask.shape == (9, 2)
    for b, row in enumerate(rows):
        own = PHONES[ENDS[row] : ENDS[row + 1]]
        padded = np.full(9, -1)
        padded[: len(own)] = own
        assert batch.mask[:, b].tolist() == (padded >= 0).tolist()
        assert batch.target[batch.mask[:, b], b].tolist() == padded[padded >= 0].tolist()
    assert batch.target.min() >= 0


def test_the_next_frame_is_wanted_and_the_last_has_none() -> None:
    rows = np.array([2, 9])
    batch = _part().batch(rows, np.float32)
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [1, 7]
    assert batch.x.shape == batch.target.shape == (7, 2, 2)
    for b, length in enumerate(batch.lengths):
        assert batch.x[:length, b, 1].tolist() == list(range(length))
        assert batch.target[:length, b, 1].tolist() == list(range(1, length + 1))
        assert not batch.target[length:, b].any()


def _seen(stream: StoredStream, batches: int) -> list[int]:
    return [int(row) for _ in range(batches) for row in stream.next().x[0, :, 0]]


@pytest.mark.parametrize("pool", [0, 1, 2, 100])
@pytest.mark.parametrize("batch_size", [1, 3, 11, 20])
def test_every_epoch_shows_every_recording_once(pool: int, batch_size: int) -> None:
    seen = _seen(StoredStream(_part(pool, digits=DIGITS), batch_size, 1, np.float32), 11 * 4)
    for epoch in range(4 * batch_size):
        assert sorted(seen[epoch * 11 : (epoch + 1) * 11]) == ROWS.tolist()


def test_without_pools_the_order_is_the_plain_permutation() -> None:
    stream = StoredStream(_part(digits=DIGITS), 11, 9, np.float32)
    for epoch in range(3):
        wanted = ROWS[np.random.default_rng([9, epoch]).permutation(11)]
        assert _seen(stream, 1) == wanted.tolist()


def test_pools_bring_similar_lengths_together() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 200, 640)
    ends = np.concatenate([[0], lengths.cumsum()])
    corpus = Corpus(np.zeros((int(ends[-1]), 1), np.float32), ends, digits=np.zeros(640, np.int64))

    def steps(pool: int) -> int:
        order = Utterances(corpus, np.arange(640), pool).order(np.random.default_rng(2), 16)
        return int(lengths[order].reshape(-1, 16).max(axis=1).sum()) * 16

    assert steps(10) < 1.15 * lengths.sum() < 1.7 * lengths.sum() < steps(0)
    first = Utterances(corpus, np.arange(640), 10).order(np.random.default_rng(2), 16)
    longest = lengths[first].reshape(-1, 16).max(axis=1)
    assert (np.diff(longest) < 0).sum() > 10  # batches do not come sorted


@pytest.mark.parametrize("done", [0, 1, 4, 5, 9])
def test_a_restored_stream_goes_on_exactly(done: int) -> None:
    stream = StoredStream(_part(2, digits=DIGITS), 3, 4, np.float32)
    _seen(stream, done)
    state = json.loads(json.dumps(stream.state()))
    wanted = _seen(stream, 9)
    other = StoredStream(_part(2, digits=DIGITS), 3, 4, np.float32)
    _seen(other, 2)
    other.restore(state)
    assert _seen(other, 9) == wanted


def test_the_training_set_says_mean_and_variance() -> None:
    corpus = Corpus(SOUND.copy(), ENDS)
    standardise(corpus, np.array([1, 3]), "train")
    own = np.concatenate([SOUND[ENDS[row] : ENDS[row + 1]] for row in (1, 3)]).astype(np.float64)
    wanted = (SOUND - own.mean(axis=0)) / own.std(axis=0)
    np.testing.assert_allclose(corpus.frames, wanted, rtol=1e-4, atol=1e-5)


def test_every_recording_may_have_its_own() -> None:
    corpus = Corpus(SOUND.copy(), ENDS)
    standardise(corpus, np.array([1]), "utterance")
    for row in range(len(LENGTHS)):
        np.testing.assert_allclose(corpus.of(row).mean(axis=0), 0, atol=2e-5)
        np.testing.assert_allclose(corpus.of(row).std(axis=0), 1, rtol=1e-4)


def test_none_leaves_the_frames_alone() -> None:
    corpus = Corpus(SOUND.copy(), ENDS)
    standardise(corpus, ROWS, "none")
    np.testing.assert_array_equal(corpus.frames, SOUND)


def test_a_feature_that_never_changes_becomes_zero() -> None:
    corpus = Corpus(np.concatenate([SOUND, np.full((len(SOUND), 1), -0.7, np.float32)], axis=1), ENDS)
    standardise(corpus, ROWS, "train")
    assert np.abs(corpus.frames[:, 3]).max() < 1e-6


def test_added_frames_count_in_no_statistics() -> None:
    frames = SOUND.copy()
    frames[ENDS[1:] - 1] = 1e6
    corpus = Corpus(frames, ENDS, added=1)
    standardise(corpus, np.array([6]), "train")
    own = SOUND[ENDS[6] : ENDS[7] - 1].astype(np.float64)
    np.testing.assert_allclose(corpus.of(6)[:-1], (own - own.mean(axis=0)) / own.std(axis=0), rtol=1e-4, atol=1e-5)


def test_baselines_are_the_errors_of_two_guesses() -> None:
    train, measured = np.array([1, 6]), np.array([3, 8, 2])
    mean = np.concatenate([SOUND[ENDS[row] : ENDS[row + 1]] for row in train]).mean(axis=0, dtype=np.float64)
    wanted = np.concatenate([SOUND[ENDS[row] + 1 : ENDS[row + 1]] for row in measured]).astype(np.float64)
    present = np.concatenate([SOUND[ENDS[row] : ENDS[row + 1] - 1] for row in measured])
    assert baselines(Corpus(SOUND, ENDS), train, measured) == pytest.approx(
        {
            "mean of the training frames": ((wanted - mean) ** 2).mean(),
            "frame repeated": ((wanted - present) ** 2).mean(),
        }
    )
