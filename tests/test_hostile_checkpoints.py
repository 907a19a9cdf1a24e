"""Checkpoint files made to do harm: each is refused with CheckpointError, quickly, and runs nothing."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from npr.training import manifest, tensors
from npr.training.checkpoint import MANIFEST, TENSORS, Snapshot, load
from npr.training.history import Checkpoints
from npr.training.tensors import CheckpointError


def packed(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(shape: Any, begin: Any, end: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HEADERS: dict[str, bytes] = {
    "nothing": b"",
    "header longer than the file": struct.pack("<Q", 1 << 20) + b"{}",
    "header of 2^63 bytes": struct.pack("<Q", 1 << 63) + b"{}",
    "header of no JSON": packed(b"{'a': 1}"),
    "header of a list": packed([1, 2]),
    "invalid UTF-8": packed(b'{"\xff": 1}'),
    "overlap": packed({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "hole": packed({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
    "bytes left over": packed({"a": entry([1], 0, 4)}, bytes(8)),
    "too few bytes": packed({"a": entry([2], 0, 8)}, bytes(4)),
    "huge shape": packed({"a": entry([1 << 40, 1 << 40], 0, 4)}, bytes(4)),
    "shape that overflows to 4 bytes": packed({"a": entry([1 << 32, 1 << 32], 0, 0)}),
    "endless number": packed(b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 4]}}'),
    "negative size": packed({"a": entry([-1], 0, -4)}),
    "size of true": packed({"a": entry([True], 0, 4)}, bytes(4)),
    "size of 1.0": packed({"a": entry([1.0], 0, 4)}, bytes(4)),
    "reversed offsets": packed({"a": entry([1], 4, 0)}, bytes(4)),
    "three offsets": packed({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}, bytes(4)),
    "forty axes": packed({"a": entry([1] * 40, 0, 4)}, bytes(4)),
    "unknown dtype": packed({"a": entry([1], 0, 4, "F31")}, bytes(4)),
    "dtype of a list": packed({"a": entry([1], 0, 4, ["F32"])}, bytes(4)),
    "object dtype": packed({"a": entry([1], 0, 8, "object")}, bytes(8)),
    "missing key": packed({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)),
    "extra key": packed({"a": {**entry([1], 0, 4), "load": "os.system"}}, bytes(4)),
    "metadata": packed({"__metadata__": {"x": "y"}, "a": entry([1], 0, 4)}, bytes(4)),
    "duplicate key": packed(b'{"a": %s, "a": %s}' % ((json.dumps(entry([1], 0, 4)).encode(),) * 2), bytes(4)),
    "NaN": packed(b'{"a": NaN}'),
    "deep nesting": packed(b"[" * 100_000),
    "200,000 tensors": packed({f"t{i}": entry([0], 0, 0) for i in range(200_000)}),
    "5,000 tensors": packed({f"t{i}": entry([0], 0, 0) for i in range(5_000)}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_tensor_files_are_refused_within_a_second(name: str) -> None:
    begin = time.process_time()
    with pytest.raises(CheckpointError):
        tensors.decode(HEADERS[name])
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (HEADERS["overlap"], "'b' leaves a hole or overlaps"),
        (HEADERS["hole"], "'b' leaves a hole or overlaps"),
        (HEADERS["bytes left over"], "do not fill"),
        (HEADERS["huge shape"], "another size than its shape"),
        (HEADERS["5,000 tensors"], "at most 4096 tensors"),
        (packed(b" " * (2 << 20) + b"{}"), "the header does not fit"),
    ],
)
def test_refusals_come_from_our_own_checks(data: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        tensors.decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    assert outcome(data) in ("read", "refused")


@settings(max_examples=500)
@given(st.data())
def test_changed_headers_are_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(tensors.encode({"a": np.arange(3.0), "b": np.zeros((2, 2), np.float32)}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(whole)) in ("read", "refused")


def outcome(data: bytes) -> str:
    """Anything but CheckpointError is a failure of the test."""
    try:
        tensors.decode(data)
    except CheckpointError:
        return "refused"
    return "read"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Checkpoints(tmp_path).save(Snapshot(3, {"params/w": np.arange(4.0)}, {"note": ""}, {"lr": 0.1}))


def resigned(table: dict[str, Any]) -> bytes:
    """A manifest with a checksum that is right, whatever it says."""
    text = json.dumps({**table, "checksum": "0" * 64}, indent=1).encode() + b"\n"
    return text.replace(b"0" * 64, hashlib.sha256(text).hexdigest().encode())


MANIFESTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "unknown field": lambda table: {**table, "run": "rm"},
    "missing field": lambda table: {key: value for key, value in table.items() if key != "state"},
    "step of text": lambda table: {**table, "step": "3"},
    "state of a list": lambda table: {**table, "state": []},
    "no versions": lambda table: {**table, "versions": None},
    "tensors of another shape": lambda table: reshaped(table, [2, 2]),
    "tensors of another name": lambda table: {**table, "tensors": {"params/v": table["tensors"]["params/w"]}},
    "more tensors than the file": lambda table: {
        **table,
        "tensors": {**table["tensors"], "params/v": table["tensors"]["params/w"]},
    },
    "another step": lambda table: {**table, "step": 4},
    "NaN": lambda table: {**table, "state": {"seconds": float("nan")}},
    "smaller size": lambda table: {**table, "size": table["size"] - 1},
    "negative size": lambda table: {**table, "size": -1},
}


def reshaped(table: dict[str, Any], shape: list[int]) -> dict[str, Any]:
    return {**table, "tensors": {"params/w": {**table["tensors"]["params/w"], "shape": shape}}}


def test_a_manifest_signed_here_is_accepted(checkpoint: Path) -> None:
    table = json.loads((checkpoint / MANIFEST).read_bytes())
    (checkpoint / MANIFEST).write_bytes(resigned(table))
    assert load(checkpoint).step == 3


@pytest.mark.parametrize("name", MANIFESTS)
def test_hostile_manifests_are_refused(checkpoint: Path, name: str) -> None:
    table = json.loads((checkpoint / MANIFEST).read_bytes())
    (checkpoint / MANIFEST).write_bytes(resigned(MANIFESTS[name](table)))
    with pytest.raises(CheckpointError):
        load(checkpoint)


def test_a_deeply_nested_manifest_is_refused() -> None:
    body = b'{"format": ' + b"[" * 50_000 + b"]" * 50_000 + b', "checksum": "'
    text = body + b"0" * 64 + b'"\n}\n'
    with pytest.raises(CheckpointError):
        manifest.decode(text.replace(b"0" * 64, hashlib.sha256(text).hexdigest().encode()))


def test_a_huge_manifest_is_refused_unread(checkpoint: Path) -> None:
    with (checkpoint / MANIFEST).open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="at most"):
        load(checkpoint)


@pytest.mark.parametrize("name", [TENSORS, MANIFEST])
def test_links_are_not_followed(checkpoint: Path, name: str) -> None:
    real = checkpoint.parent / f"real-{name}"
    (checkpoint / name).rename(real)
    (checkpoint / name).symlink_to(real)
    with pytest.raises(CheckpointError, match=name):
        load(checkpoint)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", [TENSORS, MANIFEST])
def test_pipes_are_refused_without_waiting(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    os.mkfifo(checkpoint / name)
    with pytest.raises(CheckpointError, match="not a regular file"):
        load(checkpoint)


@pytest.mark.parametrize("name", [TENSORS, MANIFEST])
def test_folders_in_place_of_files_are_refused(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    (checkpoint / name).mkdir()
    with pytest.raises(CheckpointError, match=name):
        load(checkpoint)


def test_a_link_to_a_checkpoint_folder_is_refused(checkpoint: Path) -> None:
    real = checkpoint.rename(checkpoint.parent / "elsewhere")
    checkpoint.symlink_to(real)
    with pytest.raises(CheckpointError, match="folder of its own"):
        load(checkpoint)


@pytest.mark.parametrize("name", [TENSORS, MANIFEST])
def test_a_pickle_under_another_name_runs_nothing(checkpoint: Path, name: str, tmp_path: Path) -> None:
    payload = tmp_path / "payload"
    # Protocol 0: call os.system("touch <payload>").
    (checkpoint / name).write_bytes(f"cos\nsystem\n(S'touch {payload}'\ntR.".encode())
    with pytest.raises(CheckpointError):
        load(checkpoint)
    assert not payload.exists()
