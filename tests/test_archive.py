"""ZIP archives: what an honest one gives, and that no hostile one does harm."""

from __future__ import annotations

import contextlib
import io
import os
import random
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from data_samples import serve
from speech_samples import digit_members, digit_set, wav_bytes, write_digits, zip_bytes

from npr import data
from npr.data import archive, fsdd, known
from npr.errors import DataError

LIMITS = archive.Limits(members=10, each=2000, total=5000)
GOOD = {"a/one.wav": b"1" * 1000, "a/two.WAV": b"2" * 500, "a/read.me": b"text"}
DIGITS = digit_members(takes=2, speakers=("anna",), digits=2)


def _read(content: bytes, suffix: str = ".wav") -> dict[str, bytes]:
    return archive.read(content, "sample.zip", suffix, LIMITS)


def _with(name: str = "b.wav", content: bytes = b"x", attributes: int = 0, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive with one more member of any kind."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w") as made:
        made.writestr("a.wav", b"a")
        info = zipfile.ZipInfo(name)
        info.external_attr = attributes << 16
        info.compress_type = method
        made.writestr(info, content)
    return to.getvalue()


def _patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """The archive with bytes changed in the last record that starts with `signature`."""
    at = content.rindex(signature) + offset
    return content[:at] + value + content[at + len(value) :]


def _declaring(size: int) -> bytes:
    """A member of 1,500 bytes that says in both its headers to have `size`."""
    content = _with("b.wav", b"\0" * 1500)
    said = struct.pack("<I", size)
    return _patched(_patched(content, b"PK\1\2", 24, said), b"PK\3\4", 22, said)


def _twice() -> bytes:
    content = zip_bytes({"a.wav": b"1", "b.wav": b"2"})
    return content.replace(b"b.wav", b"a.wav")


def test_members_are_read_by_their_ending() -> None:
    assert _read(zip_bytes(GOOD)) == {name: GOOD[name] for name in ("a/one.wav", "a/two.WAV")}


def test_folders_and_stored_members_are_read() -> None:
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w", zipfile.ZIP_STORED) as made:
        made.mkdir("folder")
        made.writestr("folder/a.wav", b"plain")
    assert _read(to.getvalue()) == {"folder/a.wav": b"plain"}


HOSTILE = {
    "parent": (_with("../b.wav"), "leads out of the archive"),
    "parent within": (_with("a/../../b.wav"), "leads out of the archive"),
    "absolute": (_with("/etc/b.wav"), "leads out of the archive"),
    "drive": (_with("C:/b.wav"), "leads out of the archive"),
    "backslash": (_with("..\\b.wav"), "leads out of the archive"),
    "zero byte": (_with("bX.wav").replace(b"bX.wav", b"b\0.wav"), "leads out of the archive"),
    "not wanted but hostile": (_with("../b.txt"), "leads out of the archive"),
    "link": (_with("b.wav", b"/etc/passwd", stat.S_IFLNK | 0o777), "is a link or a device"),
    "device": (_with("b.wav", b"", stat.S_IFCHR | 0o777), "is a link or a device"),
    "twice": (_twice(), "is there twice"),
    "encrypted": (_patched(_with(), b"PK\1\2", 8, b"\1\0"), "is encrypted"),
    "bzip2": (_with(method=zipfile.ZIP_BZIP2), "packed by method 12"),
    "one too large": (zip_bytes({"a.wav": b"\0" * 2001}), "unpacks to 2001 bytes; expected at most 2000"),
    "all too large": (zip_bytes({f"{i}.wav": b"\0" * 2000 for i in range(3)}), "6000 bytes together"),
    "too many": (zip_bytes({f"{i}.wav": b"" for i in range(11)}), "at most 10 members, found 11"),
    "declares 4 GB": (_declaring(0xFFFFFFF0), "unpacks to 4294967280 bytes"),
    "declares too little": (_declaring(10), "found damage"),
    "declares too much": (_declaring(1600), "1500 bytes; expected 1600"),
    "other name inside": (_patched(_with(), b"PK\3\4", 30, b"c"), "found damage"),
    "wrong checksum": (_patched(_with(content=b"yes"), b"PK\1\2", 16, b"\0\0\0\0"), "found damage"),
    "cut": (zip_bytes(GOOD)[:-30], "found damage"),
    "cut at the front": (zip_bytes(GOOD)[200:], "found damage"),
    "empty": (b"", "found damage"),
    "no archive": (b"<!DOCTYPE html>", "found damage"),
}


@pytest.mark.parametrize(("content", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives_are_refused(
    content: bytes, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=says) as caught:
        _read(content)
    assert str(caught.value).startswith("sample.zip: ")
    assert caught.value.exit_code == 4
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_give_no_other_error(seed: int) -> None:
    rng, good = random.Random(seed), zip_bytes(GOOD)
    for _ in range(100):
        content = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        with contextlib.suppress(DataError):
            _read(bytes(content))


def test_recordings_are_sorted_and_read_by_their_names() -> None:
    found = fsdd.parse(zip_bytes(dict(reversed(DIGITS.items()))), "sample")
    assert [(one.digit, one.speaker, one.take) for one in found] == [
        (0, "anna", 0), (0, "anna", 1), (1, "anna", 0), (1, "anna", 1),
    ]  # fmt: skip
    assert found[3].content == DIGITS["recordings/1_anna_1.wav"]
    assert found[3].sound().rate == 8000


def test_the_digest_sees_recordings_and_not_their_container() -> None:
    def of(members: dict[str, bytes]) -> str:
        return fsdd.digest(fsdd.parse(zip_bytes(members), "sample"))

    moved = {f"repository-1.0/{name}": content for name, content in reversed(DIGITS.items())}
    assert of(moved | {"repository-1.0/README.md": b"text"}) == of(DIGITS)
    first, second, *_ = DIGITS
    assert of(DIGITS | {first: DIGITS[first][:-1] + b"!"}) != of(DIGITS)
    assert of({name: content for name, content in DIGITS.items() if name != first}) != of(DIGITS)
    assert of(DIGITS | {first: DIGITS[second], second: DIGITS[first]}) != of(DIGITS)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"recordings/ten_anna_1.wav": b""}, "expected names like 7_jackson_32.wav, found 'recordings/ten_anna_1.wav'"),
        ({"recordings/1_anna_01.wav": b""}, "expected names like"),
        ({"a/1_anna_1.wav": b"", "b/1_anna_1.wav": b""}, "the recording 1_anna_1.wav is there twice"),
        ({"README.md": b"text"}, "holds no WAV files"),
    ],
)
def test_archives_of_something_else_are_refused(members: dict[str, bytes], says: str) -> None:
    with pytest.raises(DataError, match=says):
        fsdd.parse(zip_bytes(members), "sample")


def test_a_recording_at_another_rate_is_named() -> None:
    (one,) = fsdd.parse(zip_bytes({"1_anna_1.wav": wav_bytes(b"\0\0" * 9, 16_000)}), "sample.zip")
    with pytest.raises(DataError, match=r"1_anna_1\.wav: expected 8000 samples per second, found 16000"):
        one.sound()


def _without(content: bytes) -> bytes:
    members = {name: data for name, data in DIGITS.items() if "1_anna_1" not in name}
    return zip_bytes(members)


@pytest.mark.parametrize(
    ("damage", "state", "says"),
    [
        (lambda good: good, "ok", ""),
        (_without, "damaged", "found 3 recordings with"),
        (lambda good: good[:-40], "damaged", "expected a whole ZIP archive"),
        (lambda good: good + b"\0" * (1 << 22), "damaged", "expected at most 4194304 bytes"),
    ],
)
def test_verify_knows_the_recordings(
    damage: Callable[[bytes], bytes], state: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(known.SETS, "fsdd", digit_set(zip_bytes(DIGITS)))
    found = data.verify("fsdd", write_digits(tmp_path, damage(zip_bytes(DIGITS))))
    assert found.state == state
    assert says in found.files[0].detail


def test_a_download_is_kept_under_the_name_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    content = zip_bytes({f"repository-1.0/{name}": data for name, data in DIGITS.items()})
    with serve({"v1.zip": content}) as web:
        monkeypatch.setitem(known.SETS, "fsdd", digit_set(content, web.mirror("plain")))
        assert data.fetch("fsdd", tmp_path, lambda line: None) == tmp_path / "fsdd"
        assert web.requests == {"plain/v1.zip": 1}
    assert (tmp_path / "fsdd" / "recordings.zip").read_bytes() == content
    assert data.verify("fsdd", tmp_path).state == "ok"


def test_a_missing_archive_is_asked_for_by_both_its_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks recordings\.zip.*Put v1\.0\.10\.zip as recordings\.zip into"):
        data.load(known.FSDD, tmp_path, lambda line: None)


@pytest.mark.skipif(
    not os.path.isfile(os.path.join(os.environ.get("NPR_DATA_DIR", ""), "fsdd", "recordings.zip")),
    reason="needs the real spoken digits below NPR_DATA_DIR",
)
def test_the_real_spoken_digits() -> None:
    content = Path(os.environ["NPR_DATA_DIR"], "fsdd", "recordings.zip").read_bytes()
    found = fsdd.parse(content, "fsdd")
    assert fsdd.digest(found) == known.FSDD.files[0].sha256
    assert len({(one.digit, one.speaker, one.take) for one in found}) == len(found) == 3000
    assert {one.take for one in found} == set(range(50))
    lengths = [len(one.sound().samples) for one in found]
    assert (min(lengths), max(lengths), sum(lengths)) == (1148, 18262, 10_498_424)
