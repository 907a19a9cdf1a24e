"""One entry for all weight files: what a file is, is seen from its first bytes, never from its name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from npr.errors import DataError, StorageError
from npr.interop.archive import Archive
from npr.interop.arrays import read_npz
from npr.interop.contents import MAX_BYTES, Contents, ForeignError
from npr.interop.tensor_files import read_safetensors
from npr.interop.torch_files import PICKLED, read_old, read_zip
from npr.training import storage

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
_TORCH7 = (b"4\n1\n3\n1\nV ", b"T7\x00\x00")
_HINT = "npr reads safetensors, torch.save (both forms) and npz."


def read_weights(path: Path) -> Contents:
    """Tensors of a weight file: safetensors, torch.save before and since version 1.6, or npz.

    Parameters
    ----------
    path : Path
        The file; a link to it will do.

    Returns
    -------
    Contents

    Raises
    ------
    DataError
        If it is missing, damaged, larger than 1 GiB, none of these, or holds something that would have to be
        run, in place of tensors.
    """
    try:
        data = storage.read_file(path.resolve(strict=True), MAX_BYTES)
    except (OSError, RuntimeError) as error:
        raise DataError(f"Cannot read '{path}': {getattr(error, 'strerror', None) or error}.") from error
    except StorageError as error:
        raise DataError(str(error)) from error
    try:
        return decode(data)._replace(sha256=hashlib.sha256(data).hexdigest())
    except ForeignError as error:
        raise ForeignError(f"Cannot read '{path}': {error}.") from error


def decode(data: bytes) -> Contents:
    """Tensors from the bytes of a weight file.

    Raises
    ------
    ForeignError
        As `read_weights`.
    """
    if pointer := _POINTER.match(data):
        raise ForeignError(
            f"it is a Git LFS pointer to a file of {int(pointer[2]):,} bytes (sha256 {pointer[1].decode()[:12]}...), "
            f"not the file itself; get it with 'git lfs pull' in its repository"
        )
    if data[:4] == b"PK\x03\x04":
        return _zipped(Archive(data))
    # Before pickles: a header of 640 bytes, or of any other length 128 + 256 k, begins like one.
    if data[4:9] == b"\0\0\0\0{":
        return read_safetensors(data)
    if data[:1] == b"\x80":
        return read_old(data)
    raise ForeignError(f"{_unknown(data)}. {_HINT[:-1]}")


def _zipped(archive: Archive) -> Contents:
    if any(name.endswith(PICKLED) for name in archive.names):
        return read_zip(archive)
    if any(name.endswith(".npy") for name in archive.names):
        return read_npz(archive)
    raise ForeignError(f"it is a zip file without {PICKLED} or arrays. {_HINT[:-1]}")


def _unknown(data: bytes) -> str:
    """What a file is that is not read."""
    if not data:
        return "it is empty"
    if data.startswith(_TORCH7):
        return "it is a file of torch7, which is not read; convert it to npz or safetensors first"
    return "it is no weight file, or it is cut short"
