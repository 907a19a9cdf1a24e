"""Downloads against a server that misbehaves: no wrong byte is ever kept, and the next mirror is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from data_samples import CLOSED, Web, fill, known_set, serve, tiny_content

from npr.data import Unreachable, download, fetch, known, loading, search, store, verify
from npr.errors import DataError

CONTENT = tiny_content()
IMAGES = "train-images-idx3-ubyte"


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serve(CONTENT) as server:
        yield server


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web) -> None:
    monkeypatch.delenv(search.VARIABLE, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    web.requests.clear()


def _cache() -> Path:
    return search.cache_folder() / "mnist"


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def _load(*mirrors: str) -> tuple[loading.Loaded, list[str]]:
    lines: list[str] = []
    return loading.load(known_set(CONTENT, *mirrors), None, lines.append), lines


def test_a_download_is_kept_and_not_repeated(web: Web) -> None:
    first, lines = _load(web.mirror("good"))
    again, silent = _load(web.mirror("good"))
    assert first.content == again.content == CONTENT
    assert (first.source, again.source) == ("download", "cache")
    assert len(lines) == 4
    assert silent == []
    assert set(web.requests.values()) == {1}
    assert _files(_cache()) == sorted(f"{name}.gz" for name in CONTENT)


@pytest.mark.parametrize("manner", ["plain", "encoded"])
def test_a_server_that_unpacks_is_understood(web: Web, manner: str) -> None:
    loaded, _ = _load(web.mirror(manner))
    assert loaded.content == CONTENT
    assert _files(_cache()) == sorted(CONTENT)
    assert _load(CLOSED)[0].source == "cache"


FAULTS = {
    "forbidden": "127.0.0.1: HTTP status 403",
    "html": "a web page",
    "short": "127.0.0.1: no connection (ChunkedEncodingError)",
    "cut": "found one that is cut short",
    "other": "expected content with sha256",
    "long": "127.0.0.1: sent more than",
    "drip": "127.0.0.1: too slow",
}


@pytest.mark.parametrize("manner", FAULTS)
def test_the_next_mirror_is_asked(web: Web, monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    monkeypatch.setattr(download, "START_SECONDS", 0.5 if manner == "drip" else 8.0)
    loaded, _ = _load(web.mirror(manner), web.mirror("good"))
    assert loaded.content == CONTENT
    # The mirror that worked is asked first from then on.
    assert sum(count for path, count in web.requests.items() if path.startswith(manner)) == 1


@pytest.mark.parametrize(("manner", "says"), FAULTS.items())
def test_nothing_wrong_is_kept(web: Web, monkeypatch: pytest.MonkeyPatch, manner: str, says: str) -> None:
    monkeypatch.setattr(download, "START_SECONDS", 0.5 if manner == "drip" else 8.0)
    with pytest.raises(Unreachable) as caught:
        _load(web.mirror(manner))
    assert says in str(caught.value)
    assert _files(_cache()) == []


def test_offline_says_what_to_do_by_hand() -> None:
    with pytest.raises(Unreachable) as caught:
        _load(CLOSED, CLOSED)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "127.0.0.1: no connection (ConnectionError)" in message
    assert all(f"{name}.gz" in message for name in CONTENT)
    assert str(_cache()) in message


@pytest.mark.parametrize("packed", [True, False])
def test_a_damaged_file_in_the_cache_is_replaced(web: Web, packed: bool) -> None:
    fill(_cache(), CONTENT | {IMAGES: b"half a file"}, packed)
    loaded, lines = _load(web.mirror("good"))
    assert loaded.content == CONTENT
    assert "replacing a damaged file" in lines[0]
    assert list(web.requests) == [f"good/{IMAGES}.gz"]
    assert _load(CLOSED)[0].content == CONTENT


def test_a_damaged_cache_offline_is_an_error_not_a_fallback() -> None:
    fill(_cache(), CONTENT | {IMAGES: b"half a file"})
    with pytest.raises(DataError, match=r"not an IDX file.*Replacing it failed") as caught:
        _load(CLOSED)
    assert not isinstance(caught.value, Unreachable)


def test_what_a_killed_download_left_is_swept(web: Web) -> None:
    fill(_cache(), {".part-1-abc": b"half"}, packed=False)
    _load(web.mirror("good"))
    assert _files(_cache()) == sorted(f"{name}.gz" for name in CONTENT)


def test_two_at_once_download_once(web: Web) -> None:
    lines: list[str] = []
    tiny = known_set(CONTENT, web.mirror("good"))
    results: list[loading.Loaded] = []
    threads = [
        threading.Thread(target=lambda: results.append(loading.load(tiny, None, lines.append))) for _ in range(3)
    ]
    with store.lock(_cache(), lines.append):
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while len(lines) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert [loaded.content for loaded in results] == [CONTENT] * 3
    assert set(web.requests.values()) == {1}
    assert sum("waiting for another process" in line for line in lines) == 3


def test_an_unwritable_cache_still_trains(web: Web, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    loaded, lines = _load(web.mirror("good"))
    assert loaded.content == CONTENT
    assert sum("NPR_CACHE_DIR names another folder" in line for line in lines) == 4


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"npr.data.store.os.{call}", full)
    with pytest.raises(OSError, match="No space left"):
        store.keep(tmp_path, "file", b"data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data_dir", [None, "mine"])
def test_fetch_fills_the_folder(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: str | None
) -> None:
    monkeypatch.setitem(known.SETS, "mnist", known_set(CONTENT, web.mirror("good")))
    target = tmp_path / data_dir if data_dir else None
    folder = fetch("mnist", target, lambda line: None)
    assert folder == (target or search.cache_folder()) / "mnist"
    assert verify("mnist", target).state == "ok"


def test_fetch_completes_a_folder_in_place(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known.SETS, "mnist", known_set(CONTENT, web.mirror("good")))
    raw = fill(tmp_path / "MNIST" / "raw", {IMAGES: CONTENT[IMAGES]})
    assert fetch("mnist", tmp_path, lambda line: None) == raw
    assert len(_files(raw)) == 4


def test_fetch_into_an_unwritable_folder_is_an_error(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(known.SETS, "mnist", known_set(CONTENT, web.mirror("good")))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot keep train-images-idx3-ubyte"):
        fetch("mnist", tmp_path / "file", lambda line: None)


def test_a_file_that_mirrors_hold_unpacked_is_asked_for_by_its_own_name(web: Web) -> None:
    file = known_set(CONTENT).files[0]._replace(dims=None, packed=False)
    received = download.retrieve(file, [web.mirror("plain")])
    assert received.content == CONTENT[IMAGES]
    text = known.KnownSet("play", "a text", "none", (file,), (web.mirror("plain"),))
    loaded = loading.load(text, None, lambda line: None)
    assert loaded.source == "download"
    assert _files(search.cache_folder() / "play") == [IMAGES]
    assert text.listing() == IMAGES
