"""The IDX reader: exact on good files, a DataError and no large allocation on all others."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from data_samples import idx_bytes
from hypothesis import given
from hypothesis import strategies as st

from npr.data import content, idx
from npr.errors import DataError

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
GOOD = idx_bytes(IMAGES)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 28, 28), (1, 1, 1)])
def test_parse_gives_back_the_array(shape: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    parsed = idx.parse(idx_bytes(array), "x", len(shape))
    np.testing.assert_array_equal(parsed, array)
    assert parsed.shape == shape


def test_parse_is_a_read_only_view() -> None:
    data = bytearray(GOOD)
    parsed = idx.parse(data, "x", 3)
    assert np.shares_memory(parsed, np.frombuffer(data, np.uint8))
    assert not parsed.flags.writeable


BAD = {
    "empty": (b"", "expected magic number 0x00000803, found an empty file"),
    "short magic": (GOOD[:3], "expected magic number 0x00000803, found 0x000008"),
    "wrong type": (b"\0\0\x0d" + GOOD[3:], "expected magic number 0x00000803, found 0x00000d03"),
    "wrong dimensions": (b"\0\0\x08\x01" + GOOD[4:], "3 dimensions"),
    "not zero at first": (b"\x01" + GOOD[1:], "found 0x01000803"),
    "short header": (GOOD[:10], "expected an IDX header of 16 bytes, found 10"),
    "short data": (GOOD[:-1], "expected 40 bytes for an array of 2 x 3 x 4, found 39"),
    "long data": (GOOD + b"\0", "expected 40 bytes for an array of 2 x 3 x 4, found 41"),
    # 2^22 * 2^21 * 2^21 is 0 modulo 2^64.
    "product wraps": (GOOD[:4] + b"\0\x40\0\0" + b"\0\x20\0\0" * 2, "expected 18446744073709551632 bytes"),
}


@pytest.mark.parametrize(("data", "says"), BAD.values(), ids=BAD.keys())
def test_parse_refuses(data: bytes, says: str) -> None:
    with pytest.raises(DataError, match=r"^somewhere: ") as caught:
        idx.parse(data, "somewhere", 3)
    assert says in str(caught.value)


@given(st.binary(max_size=64), st.integers(1, 4))
def test_any_bytes_are_an_array_or_a_data_error(data: bytes, dims: int) -> None:
    try:
        parsed = idx.parse(data, "x", dims)
    except DataError:
        return
    assert idx_bytes(parsed) == data


@pytest.mark.parametrize("count", [2**32 - 1, 2**20])
def test_a_lying_header_allocates_nothing(tmp_path: Path, count: int) -> None:
    path = tmp_path / "images"
    path.write_bytes(GOOD[:4] + count.to_bytes(4, "big") * 3 + b"\0" * 100_000)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="expected"):
            idx.read(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * path.stat().st_size + 100_000


@pytest.mark.parametrize("name", ["plain", "packed.gz", "plain.gz", "packed"])
def test_read_goes_by_content_not_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(GOOD) if name.startswith("packed") else GOOD)
    np.testing.assert_array_equal(idx.read(path, 3), IMAGES)


def test_read_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent: expected a file, found nothing"):
        idx.read(tmp_path / "absent", 3)


def test_read_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a file, found something else"):
        idx.read(tmp_path, 3)


@pytest.mark.parametrize("length", [*range(2, len(gzip.compress(GOOD)))])
def test_every_cut_of_a_gzip_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(GOOD)[:length])
    with pytest.raises(DataError, match="cut short"):
        idx.read(path, 3)


@pytest.mark.parametrize("place", [2, 12, 30, -6, -1])
def test_damage_inside_gzip_is_refused(tmp_path: Path, place: int) -> None:
    path = tmp_path / "damaged.gz"
    packed = bytearray(gzip.compress(GOOD))
    packed[place] ^= 0x7F
    path.write_bytes(packed)
    with pytest.raises(DataError, match=r"damaged\.gz: expected"):
        idx.read(path, 3)


def test_a_gzip_bomb_is_stopped_near_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0" * (64 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="at most 1000 bytes"):
            content.read(path, 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
