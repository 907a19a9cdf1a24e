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
    """After the crash, `power_cut` takes away what was not synced."""

    def __init__(self, at: int | None = None) -> None:
        super().__init__(at)
        self._unsynced: set[int] = set()
        self._undo: list[tuple[Path, Callable[[], None]]] = []

    def _do(self, name: str, *args: Any) -> Any:
        before = self.calls
        undo = self._before(name, *args)
        try:
            result = super()._do(name, *args)
        finally:
            if self.calls > before:
                self._after(name, undo, *args)
        if name in ("create", "append"):
            self._unsynced.add(os.fstat(result).st_ino)
        return result

    def _before(self, name: str, *args: Any) -> Callable[[], None] | None:
        """How to take back a change of names."""
        if name == "make_folder":
            return lambda: shutil.rmtree(args[0])
        if name == "create":
            return lambda: args[0].unlink(missing_ok=True)
        if name == "rename":
            old, new = args
            replaced = new.read_bytes() if new.is_file() else None

            def back() -> None:
                os.replace(new, old)
                if replaced is not None:
                    new.write_bytes(replaced)

            return back
        if name == "remove":
            content = args[0].read_bytes()
            return lambda: _put_back(args[0], content)
        return (lambda: args[0].mkdir()) if name == "remove_folder" else None

    def _after(self, name: str, undo: Callable[[], None] | None, *args: Any) -> None:
        if undo is not None:
            folder = args[1].parent if name == "rename" else args[0].parent
            self._undo.append((folder, undo))
        if name == "sync":
            self._unsynced.discard(os.fstat(args[0]).st_ino)
        if name == "sync_folder":
            self._undo = [(folder, undo) for folder, undo in self._undo if folder != args[0]]

    def power_cut(self, root: Path, names_too: bool) -> None:
        """Empty every file that was not synced; with `names_too` also take back unsynced changes of names."""
        for path in root.rglob("*"):
            if path.is_file() and path.stat().st_ino in self._unsynced:
                os.truncate(path, 0)
        for _, undo in reversed(self._undo if names_too else []):
            undo()


def _put_back(path: Path, content: bytes) -> None:
    path.write_bytes(content)


class FailingDisk(WatchedDisk):
    """Raises an OSError for some operations as long as `failing` is true.

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
                raise OSError(self._error, os.strerror(self._error))
        return super()._do(name, *args)
