"""Where a text comes from: a known set, or any file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

from npr.data import content as contents
from npr.data import known
from npr.data.loading import load
from npr.errors import ConfigError
from npr.registry import unknown
from npr.tasks.base import Log

# The first is what "auto" reads; of the others each file is a split.
SETS = ("tinyshakespeare", "ptb")
_LARGEST = 1 << 31
_FILES = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}


class Found(NamedTuple):
    """Content by split ("train" alone for a single text), and where it comes from."""

    content: dict[str, bytes | bytearray]
    about: dict[str, Any]


def find(data: str, data_dir: str | os.PathLike[str] | None, log: Log) -> Found:
    """Find or download a text.

    Parameters
    ----------
    data : str
        "tinyshakespeare" (also "auto"), "ptb", or the path of a file, plain or gzip-compressed. A name of a set is
        never a path: write ./ptb for a file of that name.
    data_dir : path or None
        Folder with the sets, named by the user.
    log : callable
        Takes lines about downloads and about what was read.

    Returns
    -------
    Found
        With the name under which `data` is known as about["data"].

    Raises
    ------
    ConfigError
        If `data` is neither a set nor looks like a path.
    DataError
        If the text cannot be had.
    """
    return _known(data, data_dir, log) if data in (*SETS, "auto") else _file(data, log)


def _known(data: str, data_dir: str | os.PathLike[str] | None, log: Log) -> Found:
    chosen = known.find(SETS[0] if data == "auto" else data)
    loaded = load(chosen, data_dir, log)
    log(f"data: {chosen.name} from {loaded.folder} ({loaded.source}), content verified")
    hashes = {file.name: file.sha256 for file in chosen.files}
    names = _FILES if len(hashes) > 1 else {"train": chosen.files[0].name}
    content: dict[str, bytes | bytearray] = {split: loaded.content[name] for split, name in names.items()}
    return Found(content, {"data": chosen.name, "source": loaded.source, "sha256": hashes})


def _file(data: str, log: Log) -> Found:
    path = Path(data).expanduser()
    if not path.exists() and path.name == data and not path.suffix:
        message = unknown("text", data, [*SETS, "auto"])
        raise ConfigError(f"{message} There is no file of that name either.")
    content = contents.read(path, _LARGEST)
    log(f"data: {path}, {len(content):,} bytes")
    return Found(
        {"train": content}, {"data": data, "source": "file", "sha256": {path.name: hashlib.sha256(content).hexdigest()}}
    )
