"""One checkpoint: a folder `step-XXXXXXXX` with `tensors.safetensors` and `manifest.json`, fully verified."""

from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npr.errors import StorageError
from npr.params import Array
from npr.training import manifest, storage, tensors
from npr.training.manifest import FORMAT, Manifest, NewerFormatError, TensorInfo
from npr.training.provenance import versions
from npr.training.tensors import CheckpointError

TENSORS, MANIFEST = "tensors.safetensors", "manifest.json"
# The twin with the suffix is the earlier state of the same step while that is being replaced.
_NAME = re.compile(r"step-(\d{8,12})(\.old)?")


class Snapshot(NamedTuple):
    """State of a run after `step` updates: arrays, what JSON can hold, and the configuration."""

    step: int
    tensors: dict[str, Array]
    state: dict[str, Any]
    config: dict[str, Any]


def files(snapshot: Snapshot) -> dict[str, bytes]:
    """Content of a checkpoint's files, in the order in which they are to be written."""
    data = tensors.encode(snapshot.tensors)
    table = Manifest(
        format=FORMAT,
        step=snapshot.step,
        state=snapshot.state,
        config=snapshot.config,
        versions=versions(),
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        tensors=_describe(snapshot.tensors),
    )
    return {TENSORS: data, MANIFEST: manifest.encode(table)}


def load(path: Path) -> Snapshot:
    """Read one checkpoint folder and verify every byte of it.

    Raises
    ------
    CheckpointError
        If anything is missing or differs from what was written; the message names the file.
    StorageError
        If permission to read it is missing.
    """
    found = read_manifest(path)
    file = path / TENSORS
    data = _read(file, found.size)
    try:
        if len(data) != found.size or hashlib.sha256(data).hexdigest() != found.sha256:
            raise CheckpointError(_difference(data, found))
        arrays = tensors.decode(data)
        if _describe(arrays) != found.tensors:
            raise CheckpointError("its tensors are not those of the manifest")
    except CheckpointError as error:
        raise _damaged(file, error) from error
    return Snapshot(found.step, arrays, found.state, found.config)


def read_manifest(path: Path) -> Manifest:
    """Manifest of one checkpoint folder, verified by its own checksum.

    Raises
    ------
    CheckpointError
        If it is missing, damaged, or was written by a later version of npr.
    StorageError
        If permission to read it is missing.
    """
    file = path / MANIFEST
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise CheckpointError("it does not lie in a folder of its own")
    except OSError as error:
        raise CheckpointError(f"There is no checkpoint '{path}': {error.strerror}.") from error
    except CheckpointError as error:
        raise _damaged(file, error) from error
    data = _read(file, manifest.MAX_BYTES)
    try:
        found = manifest.decode(data)
        if found.step != step_of(path):
            raise CheckpointError(f"it is of step {found.step}")
    except NewerFormatError as error:
        raise NewerFormatError(f"Cannot read '{file}': {error}.") from error
    except CheckpointError as error:
        raise _damaged(file, error) from error
    return found


def step_of(path: Path) -> int:
    """Number of updates in a checkpoint's folder name; -1 if it is none."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def _describe(arrays: dict[str, Array]) -> dict[str, TensorInfo]:
    return {name: TensorInfo(str(a.dtype), tuple(a.shape), _digest(a)) for name, a in sorted(arrays.items())}


def _digest(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _difference(data: bytes, found: Manifest) -> str:
    """What is wrong with the bytes of a tensor file, as precisely as they still tell."""
    if len(data) != found.size:
        return f"it has {len(data)} bytes instead of {found.size}"
    try:
        layouts = tensors.header(data)
    except CheckpointError as error:
        return str(error)
    start = 8 + int.from_bytes(data[:8], "little")
    for name, layout in layouts.items():
        digest = hashlib.sha256(data[start + layout.begin : start + layout.end]).hexdigest()
        if name in found.tensors and found.tensors[name].sha256 != digest:
            return f"tensor '{name}' has a wrong checksum"
    return "its checksum is wrong"


def _read(file: Path, limit: int) -> bytes:
    """Bytes of one file of a checkpoint."""
    try:
        return storage.read_file(file, limit)
    except PermissionError as error:
        raise StorageError(f"Cannot read '{file}': {error.strerror}. Change its permissions.") from error
    except OSError as error:
        raise _damaged(file, error.strerror or error) from error
    except StorageError as error:
        raise CheckpointError(f"{error}") from error


def _damaged(file: Path, reason: object) -> CheckpointError:
    return CheckpointError(f"'{file}' is damaged: {reason}.")
