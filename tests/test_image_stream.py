"""The training stream: every image once per epoch, full batches, exact resumption."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from npr.errors import DataError
from npr.tasks.images import Part, Presentation
from npr.tasks.stored import StoredStream

COUNT = 23
PART = Part(
    # Image i holds the byte i everywhere, so that a batch shows which images it is made of.
    pixels=np.repeat(np.arange(40, dtype=np.uint8)[:, None], 6, axis=1),
    labels=(np.arange(40) % 10).astype(np.uint8),
    rows=np.arange(10, 10 + COUNT),
    presentation=Presentation(np.arange(6), np.arange(256.0)),
)


def _stream(batch_size: int = 5, seed: int = 1, part: Part = PART) -> StoredStream:
    return StoredStream(part, batch_size, seed, np.float32)


def _take(stream: StoredStream, batches: int) -> list[int]:
    return [int(value) for _ in range(batches) for value in stream.next().x[0, :, 0]]


@pytest.mark.parametrize("batch_size", [1, 5, 23, 60])
def test_every_epoch_shows_every_image_once(batch_size: int) -> None:
    epochs = 3 * batch_size
    seen = _take(_stream(batch_size), COUNT * 3)
    for epoch in range(epochs):
        assert sorted(seen[epoch * COUNT : (epoch + 1) * COUNT]) == PART.rows.tolist()


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_the_order_of_an_epoch_is_the_documented_one(epoch: int) -> None:
    stream = _stream(COUNT, seed=9)
    for _ in range(epoch):
        stream.next()
    wanted = PART.rows[np.random.default_rng([9, epoch]).permutation(COUNT)]
    assert _take(stream, 1) == wanted.tolist()


@pytest.mark.parametrize("batch_size", [4, 23, 60])
def test_batches_are_always_full(batch_size: int) -> None:
    stream = _stream(batch_size)
    assert [stream.next().x.shape for _ in range(20)] == [(6, batch_size, 1)] * 20


def test_targets_follow_the_images() -> None:
    batch = _stream().next()
    np.testing.assert_array_equal(batch.target, batch.x[0, :, 0].astype(int) % 10)


def test_seeds_differ() -> None:
    assert _take(_stream(seed=1), 4) != _take(_stream(seed=2), 4)


@pytest.mark.parametrize("done", range(15))
def test_a_restored_stream_goes_on_exactly(done: int) -> None:
    stream = _stream()
    _take(stream, done)
    state = json.loads(json.dumps(stream.state()))
    wanted = _take(stream, 12)
    other = _stream()
    _take(other, 3)
    other.restore(state)
    assert other.state() == state
    assert _take(other, 12) == wanted


def test_a_batch_is_not_overwritten_by_the_next() -> None:
    stream = _stream()
    first = stream.next()
    copy = first.x.copy()
    stream.next()
    np.testing.assert_array_equal(first.x, copy)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"examples": 24},
        {"position": COUNT},
        {"position": -1},
        {"position": 1.5},
        {"epoch": -1},
        {"epoch": None},
        {"more": 1},
    ],
)
def test_a_foreign_state_is_refused(change: dict[str, Any]) -> None:
    stream = _stream()
    _take(stream, 2)
    before = stream.state()
    with pytest.raises(DataError, match="does not fit"):
        stream.restore(before | change)
    assert stream.state() == before
