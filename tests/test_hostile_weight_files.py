"""Weight files made to do harm, or damaged: each is refused with a clear error, quickly."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile

import numpy as np
import pytest
import weight_files as made
from hypothesis import given, settings
from hypothesis import strategies as st

from npr.interop import archive
from npr.interop.contents import ForeignError
from npr.interop.reading import decode


def one(body: bytes, values: np.ndarray) -> bytes:
    """An old file with the single storage "0"."""
    return made.old(body, {"0": values})


def table(**tensors: bytes) -> bytes:
    return made.value(dict(tensors))


TEN = np.arange(10, dtype=np.float32)
SOURCE, INTS = made.storage("0", "float32", 10), made.storage("0", "int32", 10)


def whole(body: bytes) -> bytes:
    return one(table(a=body), TEN)


GOOD = made.old_file({"a": TEN})
VIEW = made.tensor(SOURCE, (10,), (1,))
OLD = {
    "reaches beyond": (whole(made.tensor(SOURCE, (11,), (1,))), "reaches beyond"),
    "offset beyond": (whole(made.tensor(SOURCE, (1,), (1,), 10)), "reaches beyond"),
    "stride beyond": (whole(made.tensor(SOURCE, (2, 5), (6, 1))), "reaches beyond"),
    "huge stride": (whole(made.tensor(SOURCE, (2,), (1 << 47,))), "reaches beyond"),
    "huge shape": (whole(made.tensor(SOURCE, (1 << 40, 1 << 40), (1 << 40, 1))), "reaches beyond"),
    "shape beyond 48 bits": (whole(made.tensor(SOURCE, (1 << 60,), (1,))), "impossible shape"),
    "stride of zero": (whole(made.tensor(SOURCE, (1 << 40,), (0,))), "overlaps itself"),
    "rows that overlap": (whole(made.tensor(SOURCE, (3, 3), (2, 1))), "overlaps itself"),
    "negative stride": (whole(made.tensor(SOURCE, (10,), (-1,), 9)), "negative stride"),
    "negative offset": (whole(made.tensor(SOURCE, (1,), (1,), -1)), "impossible shape"),
    "shape of text": (whole(made.tensor(SOURCE, "ab", (1, 1))), "no tuple"),
    "shape of floats": (whole(made.tensor(SOURCE, (10.0,), (1,))), "impossible shape"),
    "shape of true": (whole(made.tensor(SOURCE, (True,), (1,))), "impossible shape"),
    "more strides than sizes": (whole(made.tensor(SOURCE, (10,), (1, 1))), "impossible shape"),
    "twenty axes": (whole(made.tensor(SOURCE, (1,) * 20, (1,) * 20)), "axes"),
    "tensor of no storage": (whole(made.tensor(made.value("0"), (10,), (1,))), "not known"),
    "parameter of no tensor": (whole(made.call(("torch._utils", "_rebuild_parameter"), 1)), "no tensor"),
    "overlap of two": (
        one(table(a=made.tensor(SOURCE, (6,), (1,)), b=made.tensor(SOURCE, (6,), (1,), 4)), TEN),
        "overlaps another",
    ),
    "two kinds of one storage": (
        one(table(a=made.tensor(SOURCE, (4,), (1,)), b=made.tensor(INTS, (4,), (1,), 5)), TEN),
        "two ways",
    ),
    "storage of 2^40 numbers": (whole(made.tensor(made.storage("0", "float32", 1 << 40), (1,), (1,))), "at most"),
    "storage of another size": (whole(made.tensor(made.storage("0", "float32", 9), (9,), (1,))), "another size"),
    "storage that is a view": (
        whole(made.tensor(made.storage("0", "float32", 10, last=(("1", 0, 4),)), (4,), (1,))),
        "not known",
    ),
    "storage of another class": (
        whole(made.value(("storage", made.named("torch", "ByteStorage"), "0", "cpu", 10)) + b"Q"),
        r"'torch\.ByteStorage'",
    ),
    "persistent id of another kind": (whole(made.value(("module", "0")) + b"Q"), "means no storage"),
    "key without storage": (made.old(table(a=VIEW), {"0": TEN, "1": TEN}), "not those of its tensors"),
    "storage without key": (made.old(table(a=VIEW), {"0": TEN}, keys=[]), "not those of its tensors"),
    "key twice": (made.old(table(a=VIEW), {"0": TEN}, keys=["0", "0"]), "not those of its tensors"),
    "no tensors": (made.old(made.value({"epoch": 1}), {}), "0 tables of tensors.*'epoch'"),
    "two state dicts": (one(made.value({"a": table(x=VIEW), "b": table(x=VIEW)}), TEN), "2 tables of tensors"),
    "a list": (one(made.value([VIEW]), TEN), "no table"),
    "another magic number": (made.old(table(a=VIEW), {"0": TEN}, magic=17), "not one of torch.save"),
    "another version": (made.old(table(a=VIEW), {"0": TEN}, version=1002), "unknown version"),
    "big-endian": (made.old(table(a=VIEW), {"0": TEN}, machine={"little_endian": False}), "big-endian"),
    "bytes left over": (GOOD + b"\x00", "1 bytes stand after"),
    "storage cut short": (GOOD[:-1], "cut short"),
    "a whole module": (one(made.call(("model", "Net")), TEN), r"'model\.Net'.*state_dict"),
}


@pytest.mark.parametrize("name", OLD)
def test_old_files_that_do_harm_are_refused(name: str) -> None:
    data, message = OLD[name]
    begin = time.process_time()
    with pytest.raises(ForeignError, match=message):
        decode(data)
    assert time.process_time() - begin < 1


CLAIM = b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }"
MEMBERS = made.zip_members({"a": TEN})
ZEROS = {"model/data.pkl": MEMBERS["model/data.pkl"], "model/data/0": bytes(archive.MAX_INFLATED + 1)}


def encrypted() -> bytes:
    data = bytearray(made.zip_file({"a": TEN}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def claims(size: int) -> bytes:
    """A zip file whose directory claims another size for the storage."""
    data = bytearray(made.zip_file({"a": TEN}))
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    at = data.index(b"PK\x01\x02", at + 4)
    data[at + 20 : at + 28] = struct.pack("<II", size, size)
    return bytes(data)


def twice() -> bytes:
    buffer = io.BytesIO(made.zip_file({"a": TEN}))
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "a") as opened:
        opened.writestr("model/data/0", bytes(40))
    return buffer.getvalue()


def link() -> bytes:
    """A member that is a symbolic link by its attributes."""
    data = bytearray(made.zip_file({"a": TEN}))
    at = data.index(b"PK\x01\x02")
    data[at + 38 : at + 42] = struct.pack("<I", (stat.S_IFLNK | 0o777) << 16)
    return bytes(data)


def changed_number() -> bytes:
    data = bytearray(made.zip_file({"a": TEN}))
    data[data.index(TEN.tobytes()) + 5] ^= 1
    return bytes(data)


ZIPS = {
    "name with ..": (made.zipped({**MEMBERS, "model/../../etc/passwd": b""}), "leads out"),
    "absolute name": (made.zipped({**MEMBERS, "/etc/passwd": b""}), "leads out"),
    "name of Windows": (made.zipped({**MEMBERS, "C:/x": b""}), "leads out"),
    "name twice": (twice(), "is there twice"),
    "two pickles": (made.zipped({**MEMBERS, "other/data.pkl": b""}), "2 members called"),
    "no storage": (made.zipped({"model/data.pkl": MEMBERS["model/data.pkl"]}), "lacks the member 'model/data/0'"),
    "longer storage": (made.zipped({**MEMBERS, "model/data/0": bytes(44)}), "44 bytes, at most 40"),
    "shorter storage": (made.zipped({**MEMBERS, "model/data/0": bytes(36)}), "36 bytes instead of 40"),
    "big-endian": (made.zipped({**MEMBERS, "model/byteorder": b"big"}), "big-endian"),
    "bomb": (made.zipped(ZEROS, zipfile.ZIP_DEFLATED), "would grow to 67,10"),
    "unusual compression": (made.zipped(MEMBERS, zipfile.ZIP_BZIP2), "packed by method 12"),
    "encrypted": (encrypted(), "encrypted"),
    "link": (link(), "is a link or a device"),
    "larger than the file": (claims(1 << 20), "more bytes than the file"),
    "members that share bytes": (claims(len(made.zip_file({"a": TEN})) - 40), "more bytes than the file"),
    "changed number": (changed_number(), "damaged.*CRC"),
    "cut short": (made.zip_file({"a": TEN})[:-30], "damaged zip"),
    "10,000 members": (made.zipped({f"m/{i}": b"" for i in range(10_000)}), "members"),
    "neither torch nor npz": (made.zipped({"readme": b""}), "without data.pkl"),
    "objects in an npz": (made.npz({"a": np.array([{}], object)}), "not float or integer"),
    "texts in an npz": (made.npz({"a": np.array(["a"])}), "not float or integer"),
    "shape that is only claimed": (
        made.zipped({"a.npy": b"\x93NUMPY\x01\x00\x46\x00" + CLAIM.ljust(69) + b"\n"}),
        "another size",
    ),
    "no header": (made.zipped({"a.npy": b"\x93NUMPY"}), "damaged header"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_zip_files_that_do_harm_are_refused(name: str) -> None:
    data, message = ZIPS[name]
    begin = time.process_time()
    with pytest.raises(ForeignError, match=message):
        decode(data)
    assert time.process_time() - begin < 1


OTHERS = {
    "pointer": (made.POINTER, r"Git LFS pointer to a file of 128,112,979 bytes .*bf1e0bbb0000.*git lfs pull"),
    "empty": (b"", "it is empty"),
    "text": (b"hello world, this is no weight file\n", "no weight file"),
    "torch7": (b"4\n1\n3\n1\nV 1\n", "torch7"),
    "metadata of numbers": (b"\x12" + bytes(7) + b'{"__metadata__":1}', "no table of texts"),
    "type of 8 bits": (made.safetensors({"a": TEN}).replace(b"F32", b"F8_"), "unknown dtype"),
    "hole": (made.safetensors({"a": TEN}) + bytes(4), "do not fill"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_explained(name: str) -> None:
    data, message = OTHERS[name]
    with pytest.raises(ForeignError, match=message):
        decode(data)


def outcome(data: bytes) -> bool:
    """Whether a file is read; anything but ForeignError is a failure of the test."""
    try:
        decode(data)
    except ForeignError:
        return False
    return True


@pytest.mark.parametrize("form", ["old", "safetensors"])
def test_truncation_at_every_length_is_refused(form: str) -> None:
    data = made.FORMATS[form]({"a": TEN, "b": np.ones((2, 2), np.float16)})
    assert [length for length in range(len(data)) if outcome(data[:length])] == []


def test_truncated_zip_files_are_refused() -> None:
    data = made.zip_file({"a": TEN})
    assert [length for length in range(0, len(data), 3) if outcome(data[:length])] == []


@pytest.mark.parametrize("form", made.FORMATS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_changed_files_are_refused_or_read(form: str, data: st.DataObject) -> None:
    whole = bytearray(made.FORMATS[form]({"a": TEN, "b": np.array(7)}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(whole))
