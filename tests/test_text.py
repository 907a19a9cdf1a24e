"""Texts in chunks: the three layouts by hand and against published loaders, splits, positions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from npr.errors import ConfigError, DataError
from npr.tasks import text_split
from npr.tasks.text import Reading, TextDataset, lay
from npr.tasks.text_split import Shares
from npr.tasks.vocabulary import Vocabulary

TEXT = np.arange(47) % 29


def dataset(text: Any = TEXT, **changes: Any) -> TextDataset:
    texts = text if isinstance(text, dict) else {"train": text}
    reading = Reading(seq_len=4, layout="columns", carry=False, shares=Shares("none"), eval_batch_size=0)
    vocabulary = Vocabulary("characters", "".join(map(chr, range(65, 65 + 29))))
    return TextDataset(texts, vocabulary, reading._replace(**changes), {"symbols_sha256": "0"})


def drawn(data: TextDataset, batch_size: int, count: int) -> list[Any]:
    stream = data.train_stream(batch_size, 0)
    return [stream.next() for _ in range(count)]


def test_columns_are_those_of_the_usual_batchify() -> None:
    """As in language_task.py and the PyTorch example: rows of the (N // B, B) matrix, the last one only a target."""
    matrix = TEXT[: 47 // 5 * 5].reshape(5, 9).T
    batches = drawn(dataset(), 5, 2)
    assert dataset().updates_per_epoch(5) == 2
    np.testing.assert_array_equal(np.concatenate([b.x for b in batches]), matrix[:-1])
    np.testing.assert_array_equal(np.concatenate([b.target for b in batches]), matrix[1:])
    assert batches[0].x.dtype == batches[0].target.dtype == np.int64


def test_the_last_chunk_of_columns_is_shorter() -> None:
    assert [len(b.x) for b in drawn(dataset(seq_len=3), 5, 4)] == [3, 3, 2, 3]


def test_wrapped_rows_are_those_of_char_rnn() -> None:
    """karpathy/char-rnn: cut to whole chunks, y = x shifted by one, the very last target is the first symbol."""
    x = TEXT[: 47 // (5 * 4) * 5 * 4]
    y = np.append(x[1:], x[0])
    batches = drawn(dataset(layout="wrapped"), 5, 2)
    assert dataset(layout="wrapped").updates_per_epoch(5) == 2
    for number, batch in enumerate(batches):
        steps = slice(4 * number, 4 * number + 4)
        np.testing.assert_array_equal(batch.x, x.reshape(5, -1)[:, steps].T)
        np.testing.assert_array_equal(batch.target, y.reshape(5, -1)[:, steps].T)


def test_rotating_rows_are_those_of_chainer_char_rnn() -> None:
    """Reader j reads text[(jump j + k) mod N] at step k of the whole training, over and over."""
    jump = 47 // 5
    batches = drawn(dataset(layout="rotating"), 5, 40)
    assert dataset(layout="rotating").updates_per_epoch(5) == jump // 4
    for k in range(160):
        for j in range(5):
            assert batches[k // 4].x[k % 4, j] == TEXT[(jump * j + k) % 47]
            assert batches[k // 4].target[k % 4, j] == TEXT[(jump * j + k + 1) % 47]
    assert [b.chunk for b in batches] == list(range(40))


@pytest.mark.parametrize(("carry", "chunks"), [(False, [0, 1, 0, 1, 0]), (True, [0, 1, 2, 3, 4])])
def test_an_epoch_begins_anew_or_goes_on(carry: bool, chunks: list[int]) -> None:
    assert [b.chunk for b in drawn(dataset(carry=carry), 5, 5)] == chunks


@pytest.mark.parametrize("layout", ["columns", "wrapped", "rotating"])
@pytest.mark.parametrize("read", [0, 1, 2, 3, 11])
def test_a_stored_position_is_found_again(layout: str, read: int) -> None:
    whole, stored = (dataset(layout=layout, carry=True).train_stream(5, 0) for _ in range(2))
    for _ in range(read):
        whole.next()
    stored.restore(json.loads(json.dumps(whole.state())))
    for _ in range(5):
        one, other = whole.next(), stored.next()
        assert one.chunk == other.chunk
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.target, other.target)


@pytest.mark.parametrize(
    "change",
    [{"step": 3}, {"step": -4}, {"step": 400}, {"step": "0"}, {"chunk": -1}, {"chunk": None}, {"readers": 4},
     {"sha256": "1"}, {"layout": "wrapped"}, {"more": 1}],
)  # fmt: skip
def test_a_position_in_another_text_is_refused(change: dict[str, Any]) -> None:
    stream = dataset().train_stream(5, 0)
    with pytest.raises(DataError, match="does not fit"):
        stream.restore({**stream.state(), **change})


def test_chunks_are_split_with_the_rounding_of_char_rnn() -> None:
    data = dataset(np.arange(205) % 29, layout="wrapped", shares=Shares("chunks", 0.95, 0.05))
    train = drawn(data, 5, 9)
    (held_out,) = data.batches("validation", 5)
    assert data.updates_per_epoch(5) == 9
    np.testing.assert_array_equal(held_out.x[:, 0], np.arange(36, 40) % 29)
    assert held_out.chunk == 0
    np.testing.assert_array_equal(train[-1].x[:, 1], (np.arange(32, 36) + 40) % 29)
    assert list(data.batches("test", 5)) == []
    assert (data.sizes["train"], data.sizes["validation"], data.sizes["test"]) == (194, 11, 0)


def test_splits_share_no_target() -> None:
    data = dataset(np.arange(400) % 29, layout="wrapped", shares=Shares("chunks", 0.5, 0.25))
    seen = {split: sum(b.target.size for b in data.batches(split, 5)) for split in ("train", "validation", "test")}
    assert seen == {"train": 200, "validation": 100, "test": 100}


def test_measurements_may_have_other_readers() -> None:
    data = dataset({"train": TEXT, "validation": TEXT[:20], "test": TEXT[:7]}, eval_batch_size=2)
    assert {b.x.shape[1] for b in data.batches("validation", 5)} == {2}
    assert {b.x.shape[1] for b in data.batches("train", 5)} == {5}
    assert [b.chunk for b in data.batches("validation", 5)] == [0, 1, 2]
    assert sum(b.target.size for b in data.batches("validation", 5)) == 18


def test_a_rotating_text_is_measured_once() -> None:
    data = dataset({"train": TEXT, "validation": TEXT, "test": TEXT}, layout="rotating")
    assert sum(b.target.size for b in data.batches("train", 5)) == 40
    assert sum(b.target.size for b in data.batches("validation", 5)) == 40


@pytest.mark.parametrize(
    ("layout", "symbols"), [("columns", 9), ("wrapped", 19), ("rotating", 19)], ids=["columns", "wrapped", "rotating"]
)
def test_a_text_that_is_too_short_says_how_long_it_must_be(layout: str, symbols: int) -> None:
    with pytest.raises(DataError, match=f"{symbols} symbols is too short.* it takes {symbols + 1}"):
        lay(TEXT[:symbols], layout, 5, 4)
    lay(TEXT[: symbols + 1], layout, 5, 4)


def test_a_split_that_is_too_short_is_noticed_before_training() -> None:
    with pytest.raises(DataError, match="7 symbols is too short"):
        dataset({"train": TEXT, "validation": TEXT[:7], "test": TEXT}).train_stream(5, 0)
    with pytest.raises(DataError, match="leaves none for validation"):
        dataset(TEXT, layout="wrapped", shares=Shares("chunks", 0.5, 0.45)).train_stream(5, 0)


def test_the_baseline_is_the_entropy_of_the_frequencies() -> None:
    baseline = dataset(np.array([0, 0, 1, 5])).baseline
    assert baseline.loss == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(4))


def test_unknown_splits_are_refused() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'validation'"):
        dataset().batches("valid", 5)


@pytest.mark.parametrize(
    "spec", ["chunks", "chunks:0.9", "text:1.2:0", "text:0:0.5", "text:0.9:0.2", "text:nan:0", "half", "files:1"]
)
def test_splits_that_are_none_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="is not one of"):
        text_split.parse(spec)


def test_consecutive_parts_of_a_text() -> None:
    parts = text_split.divide(np.arange(10), text_split.parse("text:0.5:0.3"))
    assert {name: part.tolist() for name, part in parts.items()} == {
        "train": [0, 1, 2, 3, 4],
        "validation": [5, 6, 7],
        "test": [8, 9],
    }
