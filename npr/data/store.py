"""Keeping downloaded files: one writer at a time, and a name only for bytes that were checked."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_PART = ".part-"


@contextlib.contextmanager
def lock(folder: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the download lock of `folder`; without one where the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("a")
    except OSError:
        # Nothing can be kept there either, so there is nothing to protect.
        yield
        return
    with handle:
        if _acquire(handle, folder, log):
            _sweep(folder)
        yield


def _acquire(handle: IO[str], folder: Path, log: Callable[[str], None]) -> bool:
    """Wait for the lock; false where the system or file system has none (renames stay atomic there)."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log(f"waiting for another process that is downloading into {folder}")
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _sweep(folder: Path) -> None:
    """Remove what killed downloads left; only the holder of the lock may."""
    for path in folder.glob(f"{_PART}*"):
        with contextlib.suppress(OSError):
            path.unlink()


def keep(folder: Path, name: str, raw: bytes | bytearray) -> Path:
    """Write `raw` to `folder/name` so that the name never stands for a partial file.

    Raises
    ------
    OSError
        If the folder cannot be written; nothing is left behind then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_PART}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with part.open("xb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return folder / name
