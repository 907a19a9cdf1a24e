"""The task bytes: which lines are read and in which order, how they are divided, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from byte_texts import LINES, opened, own_places, said, whole
from cli_runs import cli, data_dir, rows, tensors

from npr.errors import ConfigError, DataError
from npr.tasks.byte_batches import ByteDataset
from npr.tasks.bytes import Bytes
from npr.tasks.sentences import Rules, choose
from npr.tasks.text_files import Found
from npr.training import resolve

__all__ = ["cli", "data_dir", "own_places"]
# Read before the fixture hides it.
REAL = Path(os.environ.get("NPR_DATA_DIR") or "/nowhere")


def _lines_of(dataset: ByteDataset, split: str) -> list[str]:
    batch = whole(dataset, split) if dataset.sizes[split] else None
    return [] if batch is None else [text.rstrip(b"\0").decode() for text in said(batch.x)]


def test_the_parts_of_a_text_follow_each_other() -> None:
    dataset = opened(LINES, split="text:0.5:0.25")
    assert [_lines_of(dataset, split) for split in ("train", "validation", "test")] == [
        LINES[:20],
        LINES[20:30],
        LINES[30:],
    ]
    assert opened(LINES).sizes == {"train": 36, "validation": 2, "test": 2}
    assert opened(LINES, split="none").sizes == {"train": 40, "validation": 0, "test": 0}


def test_no_line_of_the_test_is_trained_on() -> None:
    twice = LINES + LINES[::-1] + ["new"] * 5
    once = opened(twice, split="text:0.5:0.25")
    parts = [_lines_of(once, split) for split in ("train", "validation", "test")]
    assert [line for part in parts for line in part] == [*LINES, "new"]
    assert once.provenance["counts"] == {"lines": 85, "empty": 0, "too_long": 0, "come_again": 44}
    kept = opened(twice, split="text:0.5:0.25", repeats="keep")
    assert set(_lines_of(kept, "train")) & set(_lines_of(kept, "test"))
    assert sum(kept.sizes.values()) == 85


def test_long_lines_are_left_out_or_cut() -> None:
    content = b"abcd\nabcde\nx\nabcdef\n\n"
    left = opened(content, max_bytes=4, split="none")
    assert _lines_of(left, "train") == ["abcd", "x"]
    assert left.provenance["counts"] == {"lines": 5, "empty": 1, "too_long": 2, "come_again": 0}
    cut = opened(content, max_bytes=4, split="none", long_lines="cut")
    # What is left of the longer two has come before.
    assert _lines_of(cut, "train") == ["abcd", "x"]
    assert cut.provenance["counts"]["come_again"] == 2
    kept = opened(content, max_bytes=4, split="none", long_lines="cut", repeats="keep")
    assert _lines_of(kept, "train") == ["abcd", "abcd", "x", "abcd"]


def test_a_set_of_three_files_is_divided_by_them() -> None:
    content: dict[str, bytes | bytearray] = {"train": b"a\nb\na\n", "validation": b"b\nc\n", "test": b"c\na\nd\n"}
    found = Found(content, {"data": "three"})
    assert choose(found, Rules(9, False, True), "auto").sentences == {
        "train": [b"a", b"b"],
        "validation": [b"c"],
        "test": [b"d"],
    }
    assert choose(found, Rules(9, False, False), "files").sentences["test"] == [b"c", b"a", b"d"]
    with pytest.raises(ConfigError, match="three comes in three files"):
        choose(found, Rules(9, False, True), "none")
    with pytest.raises(DataError, match="leave none for test"):
        choose(found._replace(content=content | {"test": b"a\n"}), Rules(9, False, True), "auto")


def _seen(stream: Any, batches: int) -> list[str]:
    return [text.rstrip(b"\0").decode() for _ in range(batches) for text in said(stream.next().x)]


def test_shuffled_epochs_show_every_line_once_in_full_batches() -> None:
    stream = opened(LINES, split="none").train_stream(7, 3)
    seen = _seen(stream, 40)
    epochs = [seen[start : start + 40] for start in range(0, 280, 40)]
    assert all(sorted(epoch) == sorted(LINES) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 7


def test_draws_with_replacement_are_independent() -> None:
    stream = opened(LINES, split="none", sampling="replacement").train_stream(8, 3)
    seen = _seen(stream, 500)
    assert len(set(seen[:40])) < 40
    shares = [seen.count(line) / len(seen) for line in LINES]
    # 100 draws of each are expected, with a standard deviation of 10.
    assert 0.015 < min(shares) <= max(shares) < 0.035


@pytest.mark.parametrize("sampling", ["shuffled", "replacement"])
@pytest.mark.parametrize("used", [0, 3, 5, 11])
def test_a_stored_position_is_found_again(sampling: str, used: int) -> None:
    first = opened(LINES, sampling=sampling).train_stream(8, 5)
    for _ in range(used):
        first.next()
    position = json.loads(json.dumps(first.state()))
    wanted = _seen(first, 12)
    second = opened(LINES, sampling=sampling).train_stream(8, 5)
    second.restore(position)
    assert _seen(second, 12) == wanted
    other = opened([line.replace("a", "A") for line in LINES], sampling=sampling).train_stream(8, 5)
    with pytest.raises(DataError, match="does not fit"):
        other.restore(position)


def test_provenance_is_json_and_says_everything() -> None:
    told = json.loads(json.dumps(opened(LINES, max_bytes=9, split="text:0.8:0.1").provenance))
    assert (told["data"], told["source"], told["split"], told["max_bytes"]) == ("my.txt", "file", "text:0.8:0.1", 9)
    assert told["counts"]["too_long"] == sum(len(line.encode()) > 9 for line in LINES)
    assert told["repeats"] == "once"


@pytest.mark.parametrize(
    "option",
    [
        {"objective": "translate"},
        {"max_bytes": 0},
        {"max_bytes": 1.5},
        {"long_lines": "wrap"},
        {"repeats": "never"},
        {"split": "half"},
        {"split": "chunks:0.9:0.05"},
        {"sampling": "random"},
        {"loss": "cross-entropy"},
    ],
)
def test_options_that_make_no_task_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} = "):
        Bytes(**option)


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"", {}, r"my\.txt: no line can be used; of 0 lines"),
        (b"\n\n", {}, "of 2 lines 2 are empty"),
        (b"abc\ndef\n", {"max_bytes": 2}, "2 longer than max_bytes = 2. Raise max_bytes"),
        (b"a\nb\x00c\n", {}, "line 2 holds a NUL byte"),
        (b"a\nb\nc\n", {}, "3 lines, split = 'auto', leave none for validation"),
        (b"a\nb\n", {"split": "text:0.4:0.3"}, "leave none for train"),
    ],
)
def test_texts_that_do_not_do_are_refused(content: bytes, options: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        opened(content, **options)


def test_a_batch_needs_as_many_lines() -> None:
    dataset = opened(LINES)
    dataset.train_stream(36, 1).next()
    with pytest.raises(DataError, match=r"my\.txt: 36 lines to train on are too few for batches of 37"):
        dataset.train_stream(37, 1)


def test_a_text_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"gone\.txt: expected a file, found nothing"):
        Bytes().open("gone.txt")
    with pytest.raises(ConfigError, match="Did you mean 'tinyshakespeare'"):
        Bytes().open("tinyshakespear")


def test_only_an_autoencoder_may_read_from_the_end() -> None:
    flags = {"model": "lstm", "task": "bytes", "preset": "none", "bidirectional": True}
    with pytest.raises(ConfigError, match="what a reader from the end has seen"):
        resolve(flags)
    assert resolve({**flags, "objective": "autoencode"}).build().model.bidirectional


RUN = [
    *("train", "--task", "bytes", "--preset", "none", "--data", "./lines.txt", "--hidden-size", "12"),
    *("--batch-size", "16", "--set", "eval_every=6", "--set", "split=text:0.7:0.2", "--threads", "1", "--json"),
]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("resrnn", ["--set", "linearity=0.9"]),
        ("lstm", ["--set", "objective=autoencode", "--set", "sampling=replacement", "--set", "loss=mse"]),
        ("lstm", ["--set", "objective=autoencode", "--set", "bidirectional=true"]),
    ],
)
def test_a_run_that_stopped_within_an_epoch_ends_in_the_same_bits(cli, model: str, options: list[str]) -> None:
    Path("lines.txt").write_text("\n".join(LINES))
    found = cli(*RUN, "--model", model, *options, "--steps", "60", "--set", "lr=0.01", "--run-dir", "straight")
    assert found.code == 0, found.err
    document = found.json()
    for split in ("train", "validation", "test"):
        assert document[split].keys() == {"loss", "accuracy", "bit_accuracy"}
        assert 0 <= document[split]["accuracy"] <= document[split]["bit_accuracy"] <= 1
    assert document["train"]["loss"] < rows(Path("straight"))[0]["loss"]
    assert f"baseline: {document['baseline']['name']}: loss {document['baseline']['loss']:.4f}" in found.err
    assert cli(*RUN, "--model", model, *options, "--steps", "31", "--set", "lr=0.01", "--run-dir", "cut").code == 0
    assert cli("resume", "cut", "--steps", "60", "--json").code == 0
    assert tensors(Path("cut")) == tensors(Path("straight"))
    assert rows(Path("cut"))[-1]["loss"] == rows(Path("straight"))[-1]["loss"]


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        (None, [], 4, "expected a file, found nothing"),
        (b"", [], 4, "no line can be used"),
        (b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n", [], 4, "too few for batches of 16"),
        (b"a\n", ["--set", "max_bytes=0"], 3, "max_bytes = 0"),
        (b"a\n", ["--set", "bidirectional=true"], 3, "a reader from the end"),
    ],
)
def test_exit_codes(cli, content: bytes | None, options: list[str], code: int, says: str) -> None:
    if content is not None:
        Path("lines.txt").write_bytes(content)
    found = cli(*RUN, "--model", "gru", "--steps", "2", *options)
    assert (found.code, found.out) == (code, "")
    assert says in found.err
    assert not list(Path().rglob("ckpt"))


@pytest.mark.skipif(not (REAL / "tinyshakespeare").is_dir(), reason="needs tinyshakespeare below NPR_DATA_DIR")
def test_the_lines_of_tinyshakespeare() -> None:
    dataset = Bytes().open("auto", REAL, log=lambda line: None)
    assert dataset.sizes == {"train": 23_148, "validation": 1_286, "test": 1_287}
    distinct = dict.fromkeys((REAL / "tinyshakespeare/input.txt").read_bytes().split(b"\n"))
    assert sum(dataset.sizes.values()) == len(distinct) - 1
    first = said(next(dataset.batches("train", 2)).x)
    assert [text.rstrip(b"\0") for text in first] == [
        b"First Citizen:",
        b"Before we proceed any further, hear me speak.",
    ]
