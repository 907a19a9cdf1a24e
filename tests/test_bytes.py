"""The task bytes: lines as bits, what is wanted of them, how they are divided, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import cli, data_dir, rows, tensors
from fakes import run_of

from npr.context import Forward
from npr.data import search
from npr.errors import ConfigError, DataError
from npr.losses import mse, smooth_l1
from npr.tasks.base import Batch
from npr.tasks.byte_batches import BITS, ByteDataset
from npr.tasks.bytes import Bytes
from npr.tasks.sentences import Rules, choose
from npr.tasks.text_files import Found
from npr.training import resolve
from npr.training.evaluation import score
from npr.training.parts import Weights, counted

__all__ = ["cli", "data_dir"]
# Read before the fixture below hides it.
REAL = Path(os.environ.get("NPR_DATA_DIR") or "/nowhere")
LOSSES = {"smooth-l1": smooth_l1, "mse": mse}
# 40 different lines of 2 to 11 bytes, some of them in UTF-8.
LINES = [f"{'é' * (i % 4)}{i} {'ab' * (i % 2)}" for i in range(40)]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def opened(content: bytes | list[str], **options: Any) -> ByteDataset:
    """The task on a file of this content or of these lines."""
    if not isinstance(content, bytes):
        content = "".join(f"{line}\n" for line in content).encode()
    Path("my.txt").write_bytes(content)
    return Bytes(**options).open("my.txt", log=lambda line: None)


def whole(dataset: ByteDataset, split: str = "train") -> Batch:
    (batch,) = dataset.batches(split, 1000, np.float64)
    return batch


def said(bits: np.ndarray) -> list[bytes]:
    """Sentences spelt by bits (T, B, 8), most significant first."""
    texts = ["".join("1" if bit else "0" for bit in bits[:, b].ravel()) for b in range(bits.shape[1])]
    return [bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)) for text in texts]


def test_the_most_significant_bit_comes_first() -> None:
    assert ["".join(map(str, row.astype(int))) for row in BITS] == [f"{byte:08b}" for byte in range(256)]
    batch = whole(opened(b"a", split="none"))
    assert batch.x[0, 0].tolist() == [0, 1, 1, 0, 0, 0, 0, 1]


def test_the_next_byte_of_a_tiny_text() -> None:
    batch = whole(opened(b"abc\n\nd\r\nef", split="none"))
    assert said(batch.x) == [b"abc\0", b"d\0\0\0", b"ef\0\0"]
    assert said(batch.target) == [b"bc\0\0", b"\0\0\0\0", b"f\0\0\0"]
    assert batch.lengths is not None
    assert batch.mask is not None
    assert batch.lengths.tolist() == [4, 2, 3]
    assert batch.mask.T.astype(int).tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]
    assert batch.chunk is None


@pytest.mark.parametrize(("reverse", "read"), [(True, [b"cba\0", b"d\0"]), (False, [b"abc\0", b"d\0"])])
def test_the_whole_of_a_tiny_text_again(reverse: bool, read: list[bytes]) -> None:
    batch = whole(opened(b"abc\nd\n", split="none", objective="autoencode", reverse=reverse))
    assert said(batch.x) == [read[0] + b"\0\0\0\0", read[1] + b"\0\0\0\0\0\0"]
    assert said(batch.target) == [b"\0\0\0\0abc\0", b"\0\0d\0\0\0\0\0"]
    assert batch.lengths is not None
    assert batch.mask is not None
    assert batch.lengths.tolist() == [8, 4]
    # The mask goes on after an end, where lengths say that nothing counts.
    assert counted(batch, batch.x).T.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("objective", ["next", "autoencode"])
def test_the_form_of_a_batch(objective: str, dtype: type) -> None:
    batch = opened(LINES, objective=objective).train_stream(5, 1, dtype).next()
    assert batch.lengths is not None
    assert batch.x.shape == batch.target.shape == (batch.lengths.max(), 5, 8)
    assert (batch.x.dtype, batch.target.dtype, batch.lengths.dtype) == (dtype, bool, np.int64)
    assert batch.x.flags.c_contiguous
    assert batch.lengths.max() <= Bytes(objective=objective, max_bytes=11).seq_len


class _Knows:
    """A model that answers right, from its inputs alone, with noise that leaves every bit on its side."""

    def __init__(self, objective: str, reverse: bool) -> None:
        self._objective, self._reverse = objective, reverse

    def forward(self, ctx: Any, params: Any, buffers: Any, x: np.ndarray, state: Any = None, lengths: Any = None):
        output = np.zeros_like(x)
        for b, length in enumerate(lengths):
            half = length // 2
            if self._objective == "next":
                output[: length - 1, b] = x[1:length, b]
            elif self._reverse:
                output[half : length - 1, b] = x[: half - 1, b][::-1]
            else:
                output[half:length, b] = x[:half, b]
        return Forward(np.where(output > 0, 0.51, 0.5), (), buffers, None)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize(("objective", "reverse"), [("next", True), ("autoencode", True), ("autoencode", False)])
def test_every_byte_that_counts_can_be_had_from_the_inputs(objective: str, reverse: bool, batch_size: int) -> None:
    dataset = opened(LINES, objective=objective, reverse=reverse)
    _, parts = run_of("plain", batch_size=batch_size)
    parts = parts._replace(dataset=dataset, model=_Knows(objective, reverse), loss=mse, metric="loss", higher=False)
    found = score(parts, Weights({}, {}), "train", "running")
    assert (found["accuracy"], found["bit_accuracy"]) == (1, 1)
    spoken = "".join(line + "\0" for line in LINES[:36]).encode()
    if objective == "next":
        spoken = b"".join((line + "\0").encode()[1:] for line in LINES[:36])
    ones = sum(byte.bit_count() for byte in spoken) / (8 * len(spoken))
    assert found["loss"] == pytest.approx(ones * 0.49**2 + (1 - ones) * 0.5**2, rel=1e-6)


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


@pytest.mark.parametrize("objective", ["next", "autoencode"])
@pytest.mark.parametrize("loss", ["smooth-l1", "mse"])
def test_the_baseline_is_the_loss_of_the_best_constant_output(objective: str, loss: str) -> None:
    dataset = opened(LINES, objective=objective, loss=loss)
    first = 1 if objective == "next" else 0
    wanted = b"".join((line + "\0").encode()[first:] for line in LINES[:36])
    means = np.array([sum(byte >> shift & 1 for byte in wanted) / len(wanted) for shift in range(7, -1, -1)])
    batch = whole(dataset)
    output = np.broadcast_to(means, batch.target.shape)
    value, gradient = LOSSES[loss](output, batch.target, counted(batch, output))
    assert dataset.provenance["baselines"]["constant bits"] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient.sum(axis=(0, 1)), 0, atol=1e-15)


@pytest.mark.parametrize("loss", ["smooth-l1", "mse"])
def test_the_baseline_of_the_next_byte_knows_the_one_before(loss: str) -> None:
    dataset = opened(LINES, loss=loss)
    batch = whole(dataset)
    pairs = [(s[i], s[i + 1]) for line in LINES[:36] for s in [(line + "\0").encode()] for i in range(len(s) - 1)]
    output = np.zeros(batch.target.shape)
    for t, b in np.ndindex(batch.target.shape[:2]):
        before = int("".join(map(str, batch.x[t, b].astype(int))), 2)
        after = [y for x, y in pairs if x == before]
        output[t, b] = [sum(y >> shift & 1 for y in after) / max(len(after), 1) for shift in range(7, -1, -1)]
    value, _ = LOSSES[loss](output, batch.target, counted(batch, output))
    assert dataset.baseline.name == "bits given the byte before"
    assert dataset.baseline.loss == pytest.approx(value, rel=1e-12)
    assert dataset.baseline.loss < dataset.provenance["baselines"]["constant bits"]


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
