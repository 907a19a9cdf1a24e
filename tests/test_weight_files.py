"""Weight files of torch (both forms), safetensors, npz and Git LFS pointers: exact arrays, or a clear refusal."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import weight_files as made
from weight_files import Arrays

from npr.errors import DataError
from npr.interop import read_weights
from npr.interop.reading import decode

RNG = np.random.default_rng(3)
ARRAYS: Arrays = {
    "rnn.weight_ih_l0": RNG.normal(size=(4, 3)).astype(np.float32),
    "rnn.bias_ih_l0": RNG.normal(size=4),
    "half": RNG.normal(size=(2, 2, 2)).astype(np.float16),
    "steps": np.array(7),
    "small": np.arange(6, dtype=np.int32).reshape(2, 3),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("form", made.FORMATS)
def test_arrays_come_back_in_order_and_widened(form: str) -> None:
    found = decode(made.FORMATS[form](ARRAYS)).tensors
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == (np.float32 if array.dtype == np.float16 else array.dtype)
        assert found[name].flags.c_contiguous
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("length", [640, 0x8080, 0x4B50])
def test_a_header_whose_length_looks_like_another_form_is_read(length: int) -> None:
    # The file begins with that length: 640 is 80 02, the beginning of a pickle; 0x4b50 is "PK".
    shortest = int.from_bytes(made.safetensors(ARRAYS, {"pad": ""})[:8], "little")
    data = made.safetensors(ARRAYS, {"pad": "x" * (length - shortest)})
    assert int.from_bytes(data[:8], "little") == length
    assert decode(data).tensors.keys() == ARRAYS.keys()


@pytest.mark.parametrize("form", ["old", "zip", "safetensors"])
def test_bfloat16_is_widened_and_said(form: str) -> None:
    # The upper halves of 1, -2, 0.5 and infinity in float32.
    found = decode(made.FORMATS[form]({"a": np.array([[0x3F80, 0xC000], [0x3F00, 0x7F80]], np.uint16)}))
    np.testing.assert_array_equal(found.tensors["a"], np.array([[1, -2], [0.5, np.inf]], np.float32))
    assert any("widened to float32" in note for note in found.notes)


def test_metadata_is_read() -> None:
    assert decode(made.safetensors(ARRAYS, {"format": "pt"})).metadata == {"format": "pt"}


def test_fortran_order_of_an_npz() -> None:
    value = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    found = decode(made.npz({"a": value})).tensors["a"]
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, value)


def one(body: bytes, values: np.ndarray) -> bytes:
    """An old file with the single storage "0"."""
    return made.old(body, {"0": values})


def table(**tensors: bytes) -> bytes:
    return made.value(dict(tensors))


TEN = np.arange(10, dtype=np.float32)
SOURCE = made.storage("0", "float32", 10)


def test_strided_views_of_one_storage() -> None:
    found = decode(one(table(a=made.tensor(SOURCE, (2, 3), (1, 2)), b=made.tensor(SOURCE, (2,), (3,), 6)), TEN)).tensors
    np.testing.assert_array_equal(found["a"], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(found["b"], [6, 9])


def test_interleaved_views_do_not_overlap() -> None:
    found = decode(one(table(a=made.tensor(SOURCE, (5,), (2,)), b=made.tensor(SOURCE, (5,), (2,), 1)), TEN)).tensors
    np.testing.assert_array_equal(found["b"], TEN[1::2])


def test_one_view_under_two_names() -> None:
    view = made.tensor(SOURCE, (10,), (1,))
    found = decode(one(table(a=view, b=view), TEN)).tensors
    np.testing.assert_array_equal(found["a"], found["b"])


def test_parameters_and_a_table_within_a_table() -> None:
    parameter = made.call(
        ("torch._utils", "_rebuild_parameter"), made.tensor(SOURCE, (10,), (1,)), True, made.call(made.ORDERED)
    )
    found = decode(one(made.value({"epoch": 3, "model": table(a=parameter)}), TEN))
    np.testing.assert_array_equal(found.tensors["a"], TEN)
    assert "'model'" in found.notes[0]


def test_what_is_no_tensor_is_left_aside_and_said() -> None:
    found = decode(one(made.value({"epoch": 3, "a": made.tensor(SOURCE, (10,), (1,))}), TEN))
    assert list(found.tensors) == ["a"]
    assert "'epoch'" in found.notes[0]


def test_a_deflated_file_is_read() -> None:
    np.testing.assert_array_equal(
        decode(made.zipped(made.zip_members({"a": TEN}), zipfile.ZIP_DEFLATED)).tensors["a"], TEN
    )


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(made.POINTER)
    with pytest.raises(DataError, match=rf"Cannot read '{path}': it is a Git LFS pointer"):
        read_weights(path)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(made.zip_file(ARRAYS))
    (tmp_path / "model.pt").symlink_to("blob")
    assert read_weights(tmp_path / "model.pt").container == "torch file"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "loop", "huge"])
def test_what_is_no_file_of_fair_size(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    with pytest.raises(DataError, match=r"model\.pt"):
        read_weights(path)
