"""File systems that fail on purpose: crash after any operation, lose what was not synced, refuse to work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npr.training.storage import Disk

OPERATIONS = (
    "make_folder", "create", "append", "write", "cut", "sync", "close", "sync_folder", "rename", "remove",
    "remove_folder",
)  # fmt: skip


class Crash(BaseException):
    """The process is gone; nothing that would run after it may change the disk."""


class WatchedDisk(Disk):
    """Real files; every operation goes through `_do`. Syncing only counts: it is slow, and these disks decide
    themselves what survives."""

    chunk = 700

    def _do(self, name: str, *args: Any) -> Any:
        return None if name in ("sync", "sync_folder") else getattr(Disk, name)(self, *args)


def _watched(name: str) -> Callable[..., Any]:
    return lambda self, *args: self._do(name, *args)


for _name in OPERATIONS:
    setattr(WatchedDisk, _name, _watched(_name))


class CrashingDisk(WatchedDisk):
    """Does `at` operations, the last of them only half if it writes, then nothing ever again."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.calls = at, 0

    def _do(self, name: str, *args: Any) -> Any:
        if self.at is not None and self.calls >= self.at:
            if name == "close":
                super()._do(name, *args)
            raise Crash
        self.calls += 1
        last = self.calls == self.at
        if last and name == "write":
            args = (args[0], args[1][: len(args[1]) // 2])
        result = super()._do(name, *args)
        if last:
            raise Crash
        return result


class LossyDisk(CrashingDisk):
    """After the crash, `power_cut` takes away what was not synced.

    Names belong to the folder they are in, wherever that folder is moved, so both are known by inode.
    """

    def __init__(self, at: int | None = None) -> None:
        super().__init__(at)
        self._unsynced: set[int] = set()
        self._undo: list[tuple[int, Callable[[], None]]] = []

    def _do(self, name: str, *args: Any) -> Any:
        before, change = self.calls, self._change(name, *args)
        try:
            result = super()._do(name, *args)
        finally:
            if self.calls > before:
                self._note(name, change, *args)
        if name in ("create", "append"):
            self._unsynced.add(os.fstat(result).st_ino)
        return result

    def _change(self, name: str, *args: Any) -> tuple[int, Callable[[], None]] | None:
        """Folder whose names an operation changes, and how to take it back."""
        if name not in ("make_folder", "create", "rename", "remove", "remove_folder"):
            return None
        path = args[-1]
        folder = path.parent.stat().st_ino
        if name in ("make_folder", "create"):
            return folder, lambda: _delete(_named(path.name, folder, self._root))
        if name == "remove_folder":
            return folder, path.mkdir
        content = path.read_bytes() if path.is_file() else None
        if name == "remove":
            return folder, lambda: _put_back(path, content)
        return folder, lambda: _move_back(*args, content)

    def _note(self, name: str, change: tuple[int, Callable[[], None]] | None, *args: Any) -> None:
        if change is not None:
            self._undo.append(change)
        if name == "sync":
            self._unsynced.discard(os.fstat(args[0]).st_ino)
        if name == "sync_folder":
            self._undo = [(folder, undo) for folder, undo in self._undo if folder != args[0].stat().st_ino]

    def power_cut(self, root: Path, names_too: bool) -> None:
        """Empty every file that was not synced; with `names_too` also take back unsynced changes of names."""
        self._root = root
        for path in root.rglob("*"):
            if path.is_file() and path.stat().st_ino in self._unsynced:
                os.truncate(path, 0)
        for _, undo in reversed(self._undo if names_too else []):
            undo()


def _named(name: str, folder: int, root: Path) -> Path | None:
    """The entry of this name in the folder with an inode, which may have been moved or be gone."""
    for place in (root, *root.rglob("*")):
        if place.is_dir() and place.stat().st_ino == folder:
            return place / name
    return None


def _delete(path: Path | None) -> None:
    if path is not None and path.is_dir():
        shutil.rmtree(path)
    elif path is not None:
        path.unlink(missing_ok=True)


def _move_back(old: Path, new: Path, replaced: bytes | None) -> None:
    os.replace(new, old)
    _put_back(new, replaced)


def _put_back(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)


class FailingDisk(WatchedDisk):
    """Raises an OSError for some operations as long as `failing` is true; a write is half done before.

    Parameters
    ----------
    error : int
        Error number.
    operation : str
        Which operation fails.
    after : int
        How many times it works first, counted anew whenever `failing` is set.
    """

    def __init__(self, error: int, operation: str, after: int = 0) -> None:
        self.failing = False
        self._error, self._operation, self._after = error, operation, after
        self._count = 0

    def _do(self, name: str, *args: Any) -> Any:
        if self.failing and name == self._operation:
            self._count += 1
            if self._count > self._after:
                if name == "write":
                    super()._do(name, args[0], args[1][: len(args[1]) // 2])
                raise OSError(self._error, os.strerror(self._error))
        return super()._do(name, *args)
