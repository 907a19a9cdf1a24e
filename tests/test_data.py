"""Search and verification of data folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from data_samples import fill, known_set, tiny_content

from npr import data
from npr.data import known, loading, search
from npr.errors import ConfigError, DataError

CONTENT = tiny_content()
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(known.SETS, "mnist", known_set(CONTENT))


def _load(data_dir: Path | None = None) -> loading.Loaded:
    return loading.load(known.find("mnist"), data_dir, lambda line: None)


def _fail(line: str) -> None:
    raise AssertionError(f"nothing should be downloaded: {line}")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("layout", ["mnist", "MNIST/raw", "."])
def test_every_layout_is_found(tmp_path: Path, layout: str, packed: bool) -> None:
    fill(tmp_path / "named" / layout, CONTENT, packed)
    loaded = _load(tmp_path / "named")
    assert loaded.content == CONTENT
    assert loaded.source == "--data-dir"


@pytest.mark.parametrize(
    ("data_dir", "variable", "source"),
    [("a", "b", "--data-dir"), (None, "b", "NPR_DATA_DIR"), (None, "", "cache"), (None, None, "cache")],
)
def test_order_of_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: str | None, variable: str | None, source: str
) -> None:
    folders = {"--data-dir": "a", "NPR_DATA_DIR": "b", "cache": "cache/data"}
    fill(tmp_path / folders[source] / "mnist", CONTENT)
    if variable is not None:
        monkeypatch.setenv(search.VARIABLE, str(tmp_path / variable) if variable else "")
    loaded = loading.load(known.find("mnist"), tmp_path / data_dir if data_dir else None, _fail)
    assert loaded.source == source
    assert loaded.folder == tmp_path / folders[source] / "mnist"


def test_the_cache_folder_is_the_users_without_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NPR_CACHE_DIR")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("/somewhere") / name)
    assert search.cache_folder() == Path("/somewhere/npr/data")


@pytest.mark.parametrize("source", ["--data-dir", "NPR_DATA_DIR"])
def test_a_named_folder_that_lacks_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    fill(search.cache_folder() / "mnist", CONTENT)
    fill(tmp_path / "named", {IMAGES: CONTENT[IMAGES]})
    monkeypatch.setenv(search.VARIABLE, str(tmp_path / "named"))
    with pytest.raises(DataError) as caught:
        loading.load(known.find("mnist"), tmp_path / "named" if source == "--data-dir" else None, _fail)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert message.startswith(f"{source} names {tmp_path / 'named'}, which lacks train-labels-idx1-ubyte")
    assert f"leave out {source}" in message
    assert not isinstance(caught.value, data.Unreachable)


@pytest.mark.parametrize("what", ["absent", "file"])
def test_a_named_folder_that_is_none(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="which is not a folder that can be read"):
        _load(tmp_path / what)


DAMAGE = {
    "cut": (lambda good: good[:-1], "expected 47056 bytes"),
    "empty": (lambda good: b"", "found an empty file"),
    "magic": (lambda good: b"\0\0\x08\x01" + good[4:], "expected magic number 0x00000803, found 0x00000801"),
    "hash": (lambda good: good[:-1] + bytes((good[-1] ^ 1,)), "expected content with sha256"),
    "web page": (lambda good: b"<!DOCTYPE html>", "not an IDX file"),
    "too long": (lambda good: good + b"\0", "expected at most 47056 bytes"),
    "other size": (
        lambda good: good[:4] + b"\0\0\0\x01" + good[8:800],
        "expected 47056 bytes of content, found 800",
    ),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("packed", [True, False])
def test_a_damaged_file_in_a_named_folder(
    tmp_path: Path, damage: Callable[[bytes], bytes], says: str, packed: bool
) -> None:
    fill(tmp_path / "mnist", CONTENT | {IMAGES: damage(CONTENT[IMAGES])}, packed)
    with pytest.raises(DataError) as caught:
        _load(tmp_path)
    message = str(caught.value)
    assert says in message
    assert str(tmp_path / "mnist" / IMAGES) in message
    assert "or leave out --data-dir" in message


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    fill(tmp_path / "mnist", CONTENT, packed=False)
    (tmp_path / "mnist" / IMAGES).unlink()
    os.mkfifo(tmp_path / "mnist" / IMAGES)
    with pytest.raises(DataError, match="expected a file, found something else"):
        _load(tmp_path)


def test_verify_tells_the_state_of_every_file(tmp_path: Path) -> None:
    content = dict(CONTENT)
    content["t10k-labels-idx1-ubyte"] = b"damage"
    del content["train-labels-idx1-ubyte"]
    fill(tmp_path / "mnist", content)
    state = data.verify("mnist", tmp_path)
    assert [file.state for file in state.files] == ["ok", "missing", "ok", "damaged"]
    assert state.state == "damaged"
    assert state.folder == tmp_path / "mnist"
    assert state.files[1].path is None
    assert "not an IDX file" in state.files[3].detail


@pytest.mark.parametrize("present", [True, False])
def test_the_catalogue_says_what_is_there(present: bool) -> None:
    if present:
        fill(search.cache_folder() / "mnist", CONTENT)
    entries = {entry.name: entry for entry in data.catalogue()}
    assert entries.keys() == known.SETS.keys()
    entry = entries["mnist"]
    assert (entry.name, entry.source) == ("mnist", "cache")
    assert entry.state == ("ok" if present else "missing")


@pytest.mark.parametrize("call", [data.verify, data.fetch])
def test_unknown_data_sets_are_refused(call: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError, match=r"Unknown data set 'mnits'. Did you mean 'mnist'\?"):
        call("mnits")


def test_the_published_description_of_mnist_is_consistent() -> None:
    sizes = {file.name: file.size for file in known.MNIST.files}
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        assert sizes[f"{part}-images-idx3-ubyte"] == 16 + count * 784
        assert sizes[f"{part}-labels-idx1-ubyte"] == 8 + count
    assert {len(file.sha256) for file in known.MNIST.files} == {64}
    assert all(mirror.startswith("https://") for mirror in known.MNIST.mirrors)
