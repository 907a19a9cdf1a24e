"""The task charlm: where its text comes from, what it refuses, and the published counts of two real texts."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npr.data import inventory, known, search
from npr.errors import ConfigError, DataError
from npr.tasks.charlm import CharLM
from npr.tasks.text import TextDataset

# Read before the fixture below hides it.
REAL = Path(os.environ.get("NPR_DATA_DIR") or "/nowhere")
TEXT = "the cat sat on the mat. " * 40


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def opened(data: str, data_dir: Path | None = None, **options: Any) -> TextDataset:
    return CharLM(**options).open(data, data_dir, lambda line: None)


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (REAL / name).is_dir(), reason=f"needs {name} below NPR_DATA_DIR")


@pytest.mark.parametrize("packed", [False, True])
def test_any_text_file_is_a_task(tmp_path: Path, packed: bool) -> None:
    content = TEXT.encode()
    (tmp_path / "my.txt").write_bytes(gzip.compress(content) if packed else content)
    data = opened("my.txt", seq_len=5)
    assert data.vocabulary.symbols == " .acehmnost"
    assert (data.input_size, data.output_size, data.name, data.notice) == (11, 11, "charlm", "")
    assert sum(data.sizes.values()) == len(TEXT)
    batch = data.train_stream(4, 0).next()
    assert data.vocabulary.decode(batch.x[:, 0].tolist()) == b"the c"
    assert data.vocabulary.decode(batch.target[:, 0].tolist()) == b"he ca"


def test_provenance_is_json_and_holds_the_vocabulary(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text(TEXT)
    provenance = json.loads(json.dumps(opened("my.txt").provenance))
    assert provenance["vocabulary"] == {"kind": "characters", "symbols": " .acehmnost"}
    assert (provenance["data"], provenance["source"]) == ("my.txt", "file")
    changed = TEXT.replace("mat", "tam")
    (tmp_path / "my.txt").write_text(changed)
    assert opened("my.txt").provenance["symbols_sha256"] != provenance["symbols_sha256"]


def test_the_name_of_a_set_is_never_a_path(tmp_path: Path) -> None:
    (tmp_path / "ptb").write_text(TEXT)
    with pytest.raises(DataError, match=r"ptb is not on this machine.*LDC99T42"):
        opened("ptb")
    assert opened("./ptb").vocabulary.symbols == " .acehmnost"


def test_lines_of_words(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text("a  b\nb")
    data = opened("my.txt", lines="words", order="appearance", split="none", seq_len=2)
    assert data.vocabulary.symbols == "a b\n"
    assert data.sizes["train"] == len("a b \nb \n")


def test_bytes_and_characters_of_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text("né" * 100)
    assert [opened("my.txt", symbols=kind, split="none").input_size for kind in ("characters", "bytes")] == [2, 3]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "found an empty file"),
        (b"aaaa", "at least two different symbols"),
        (b"good\nbad \xff", r"byte 0xff at position 9 \(line 2\).*symbols = bytes"),
    ],
)
def test_content_that_is_no_text(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "my.txt").write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        opened("my.txt")
    assert "my.txt" in str(caught.value)


def test_a_text_that_is_not_there() -> None:
    with pytest.raises(DataError, match=r"gone\.txt: expected a file, found nothing"):
        opened("gone.txt")
    with pytest.raises(ConfigError, match="Did you mean 'tinyshakespeare'"):
        opened("tinyshakespear")


@pytest.mark.parametrize(
    "option",
    [
        {"symbols": "words"},
        {"lines": "sentences"},
        {"order": "frequency"},
        {"layout": "rows"},
        {"epoch_state": "keep"},
        {"seq_len": 0},
        {"split": "tail:5"},
        {"eval_batch_size": -1},
        {"split": "chunks:0.9:0.1", "layout": "rotating"},
        {"split": "chunks:0.9:0.1", "eval_batch_size": 3},
    ],
)
def test_options_that_make_no_task_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} = "):
        CharLM(**option)


def test_one_text_does_not_come_in_three_files(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text(TEXT)
    with pytest.raises(ConfigError, match="choose another split"):
        opened("my.txt", split="files")


def test_a_set_without_mirrors_says_where_to_get_it_and_asks_no_network(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"may not be handed on.*ptb\.train\.txt.*simple-examples"):
        inventory.fetch("ptb")
    with pytest.raises(DataError, match=r"lacks ptb\.train\.txt.*simple-examples"):
        opened("ptb", tmp_path)
    assert known.PTB.mirrors == ()


@needs("ptb")
def test_the_penn_treebank_in_characters() -> None:
    data = opened("ptb", REAL, order="appearance", layout="columns", seq_len=150, eval_batch_size=10)
    assert len(data.vocabulary) == 50
    # 5.06, 0.396 and 0.446 million symbols, <eos> counted.
    assert data.sizes == {"train": 5_059_550, "validation": 396_412, "test": 446_184}
    assert data.vocabulary.symbols.startswith("aer bnkotlizcw")
    assert "\n" in data.vocabulary.symbols
    batch = data.train_stream(128, 0).next()
    assert batch.x.shape == (150, 128)
    assert data.vocabulary.decode(batch.x[:20, 0].tolist()) == b"aer banknote berlitz"
    assert data.updates_per_epoch(128) == -(-(5_059_550 // 128 - 1) // 150)
    # Each reader's last symbol is only a target: rows - 1 predictions.
    assert sum(b.target.size for b in data.batches("validation", 128)) == (39_641 - 1) * 10


@needs("tinyshakespeare")
def test_tinyshakespeare_as_char_rnn_cuts_it() -> None:
    data = opened("tinyshakespeare", REAL, symbols="bytes", split="chunks:0.95:0.05")
    assert len(data.vocabulary) == 65
    assert data.vocabulary.symbols.startswith("\n !$&',-.3:;?ABC")
    assert (data.updates_per_epoch(50), len(list(data.batches("validation", 50)))) == (423, 23)
    batch = data.train_stream(50, 0).next()
    assert data.vocabulary.decode(batch.x[:13, 0].tolist()) == b"First Citizen"
    first = next(data.batches("validation", 50))
    content = (REAL / "tinyshakespeare/input.txt").read_bytes()
    assert data.vocabulary.decode(first.x[:, 0].tolist()) == content[423 * 50 : 424 * 50]


@needs("tinyshakespeare")
def test_tinyshakespeare_as_chainer_char_rnn_reads_it() -> None:
    data = opened("auto", REAL, order="appearance", layout="rotating", split="none")
    text = (REAL / "tinyshakespeare/input.txt").read_text()
    assert data.vocabulary.symbols == "".join(dict.fromkeys(text))
    assert data.updates_per_epoch(50) == 446
    stream = data.train_stream(50, 0)
    for _ in range(447):
        batch = stream.next()
    # After an epoch a reader stands seven characters before where the next one began.
    seen = data.vocabulary.decode(batch.x[:, 3].tolist()).decode()
    assert seen == text[4 * 22_307 - 7 :][:50]
    assert data.baseline.loss == pytest.approx(3.3128, abs=1e-4)


def test_every_symbol_of_a_chunk_is_in_range(tmp_path: Path) -> None:
    (tmp_path / "my.txt").write_text(TEXT)
    data = opened("my.txt", seq_len=5)
    for batch in data.batches("train", 4):
        assert 0 <= batch.x.min() <= batch.x.max() < data.input_size
        np.testing.assert_array_equal(batch.x[1:], batch.target[:-1])
