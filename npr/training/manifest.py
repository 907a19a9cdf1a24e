"""The manifest of a checkpoint: everything that is not an array, and what the arrays must hash to."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from npr.training.tensors import CheckpointError, strict_json

FORMAT = 1
MAX_BYTES = 8 << 20
_ZEROS = "0" * 64
_TAIL = b'"\n}\n'


class NewerFormatError(CheckpointError):
    """The checkpoint is sound but was written by a later version of npr."""


class TensorInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Type, shape and SHA-256 of one array's bytes."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of `manifest.json`.

    Attributes
    ----------
    format : int
        Version of this layout.
    step : int
        Updates done.
    state : dict
        Random generators, data position, schedule, best metric, seconds: what `TrainingState` stores.
    config : dict
        The flat configuration of the run.
    versions : dict
        Versions of npr and of the libraries that decide about bits.
    size, sha256 : int, str
        Of the file `tensors.safetensors`.
    tensors : dict
        What is in that file.
    checksum : str
        SHA-256 of this file with the checksum itself written as zeros; it stands last.
    """

    format: int
    step: int
    state: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, str]
    size: int
    sha256: str
    tensors: dict[str, TensorInfo]
    checksum: str = _ZEROS


def encode(manifest: Manifest) -> bytes:
    """Bytes of `manifest.json`, with the checksum filled in."""
    table = msgspec.to_builtins(msgspec.structs.replace(manifest, checksum=_ZEROS))
    text = json.dumps(table, indent=1, allow_nan=False).encode() + b"\n"
    return _with_checksum(text, hashlib.sha256(text).hexdigest())


def decode(data: bytes) -> Manifest:
    """Manifest from the bytes of `manifest.json`.

    Raises
    ------
    NewerFormatError
        If a later version of npr wrote it.
    CheckpointError
        If any byte differs from what was written.
    """
    claimed = data[-len(_TAIL) - 64 : -len(_TAIL)]
    blank = _with_checksum(data, _ZEROS)
    if len(blank) != len(data) or hashlib.sha256(blank).hexdigest().encode() != claimed:
        raise CheckpointError("the checksum is wrong")
    table = strict_json(data)
    written = table.get("format") if isinstance(table, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise NewerFormatError(f"it has format {written}, this version of npr reads up to {FORMAT}; update npr")
    try:
        return msgspec.convert(table, Manifest)
    except (msgspec.ValidationError, RecursionError) as error:
        raise CheckpointError(f"unexpected content: {error}") from error


def _with_checksum(text: bytes, checksum: str) -> bytes:
    """`text` with its last string replaced."""
    return text[: -len(_TAIL) - 64] + checksum.encode() + _TAIL
