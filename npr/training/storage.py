"""Writing files so that a crash, full disk or power cut leaves the old content or the new, never a mix."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from npr.errors import StorageError

_PREFIX = ".tmp-"
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Disk:
    """The few operations that storing needs from the file system; tests replace them one by one.

    Attributes
    ----------
    chunk : int
        Most bytes handed to one `write`.
    """

    chunk = 1 << 22

    def make_folder(self, path: Path) -> None:
        """Create a folder that does not exist yet."""
        path.mkdir()

    def create(self, path: Path) -> int:
        """Open a file that does not exist yet; returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOSE_ON_EXEC, 0o666)

    def append(self, path: Path) -> int:
        """Open a file, new or old, for writing at its end; returns its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _CLOSE_ON_EXEC, 0o666)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of `data`; returns how many bytes."""
        return os.write(descriptor, data)

    def cut(self, descriptor: int, size: int) -> None:
        """Forget everything after the first `size` bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the file's content is durable."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def sync_folder(self, path: Path) -> None:
        """Wait until the names in a folder are durable."""
        descriptor = os.open(path, os.O_RDONLY | _CLOSE_ON_EXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some file systems keep no order for folders and say so.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """Move a file or folder; a file that has the new name is replaced, atomically."""
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        """Delete a file or a link."""
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        """Delete an empty folder."""
        path.rmdir()


def write_all(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write `data` in chunks."""
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(descriptor, rest[: disk.chunk]) :]


def write_file(disk: Disk, path: Path, data: bytes) -> None:
    """Create `path` with durable content; its name is durable once the folder is synced."""
    descriptor = disk.create(path)
    try:
        write_all(disk, descriptor, data)
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def replace_file(disk: Disk, path: Path, data: bytes) -> None:
    """Give `path` new content: readers find the old bytes or all the new ones.

    Raises
    ------
    OSError
        If it cannot be written; then the old content is still there and nothing else is left behind.
    """
    temporary = _temporary(path.parent)
    try:
        write_file(disk, temporary, data)
        disk.rename(temporary, path)
    except BaseException:
        discard(disk, temporary)
        raise
    disk.sync_folder(path.parent)


def prepare_folder(disk: Disk, parent: Path, files: Mapping[str, bytes]) -> Path:
    """Durable folder under a temporary name in `parent`, with `files` written in their order.

    Raises
    ------
    OSError
        If it cannot be written; then nothing is left behind.
    """
    temporary = _temporary(parent)
    try:
        disk.make_folder(temporary)
        for name, data in files.items():
            write_file(disk, temporary / name, data)
        disk.sync_folder(temporary)
    except BaseException:
        discard(disk, temporary)
        raise
    return temporary


def remove_tree(disk: Disk, path: Path) -> None:
    """Delete a folder of files; it loses its name first, so that nobody reads it half deleted."""
    doomed = path if path.name.startswith(_PREFIX) else _temporary(path.parent)
    if doomed != path:
        disk.rename(path, doomed)
    if doomed.is_symlink() or not doomed.is_dir():
        disk.remove(doomed)
        return
    for entry in sorted(doomed.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            remove_tree(disk, entry)
        else:
            disk.remove(entry)
    disk.remove_folder(doomed)


def discard(disk: Disk, path: Path) -> None:
    """Delete what is left of a failed attempt, as far as the disk allows."""
    with contextlib.suppress(OSError):
        remove_tree(disk, path)


def sweep(disk: Disk, folder: Path) -> None:
    """Delete what a killed process left behind in `folder`."""
    for path in folder.glob(f"{_PREFIX}*"):
        discard(disk, path)


def read_file(path: Path, limit: int) -> bytes:
    """Content of a regular file of at most `limit` bytes; links, pipes and devices are refused unread.

    Raises
    ------
    StorageError
        If it is something else or larger.
    OSError
        If it cannot be opened or read.
    """
    descriptor = os.open(path, os.O_RDONLY | _CLOSE_ON_EXEC | _NO_LINKS)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"'{path}' is not a regular file.")
        if status.st_size > limit:
            raise StorageError(f"'{path}' has {status.st_size} bytes, at most {limit} were expected.")
        return file.read(limit + 1)[: status.st_size]


def _temporary(folder: Path) -> Path:
    return folder / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
