"""`metrics.jsonl`: one JSON object per logged step, steps strictly increasing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from npr.training.storage import Disk, write_all

Row = dict[str, Any]


class MetricsLog:
    """Rows of one run, appended as they come.

    Parameters
    ----------
    path : Path
        The file.
    disk : Disk
        Access to the file system.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path, self._disk = path, disk
        self._waiting = b""
        self._size = path.stat().st_size if path.exists() else 0

    def append(self, row: Row) -> None:
        """Add a row, to be written by the next `flush`.

        Raises
        ------
        ValueError
            If a value is NaN or infinite, which JSON cannot hold.
        """
        self._waiting += json.dumps(row, allow_nan=False).encode() + b"\n"

    def flush(self, durable: bool = False) -> None:
        """Write the waiting rows.

        Parameters
        ----------
        durable : bool
            Wait until they would survive a power cut, which takes milliseconds.

        Raises
        ------
        OSError
            If that fails; the rows wait for the next attempt, which first removes what this one left.
        """
        if not self._waiting and not durable:
            return
        descriptor = self._disk.append(self._path)
        try:
            if os.fstat(descriptor).st_size > self._size:
                self._disk.cut(descriptor, self._size)
            write_all(self._disk, descriptor, self._waiting)
            self._size += len(self._waiting)
            self._waiting = b""
            if durable:
                self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)

    def cut(self, last_step: int) -> None:
        """Delete rows after `last_step` and whatever a killed process left half written.

        Raises
        ------
        OSError
            If the file cannot be changed.
        """
        if not self._path.exists():
            return
        _, self._size = _scan(self._path.read_bytes(), last_step)
        self._waiting = b""
        descriptor = self._disk.append(self._path)
        try:
            self._disk.cut(descriptor, self._size)
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)


def read_rows(path: Path) -> list[Row]:
    """Rows of a metrics file, without a torn one at its end.

    Parameters
    ----------
    path : Path
        The file; one that does not exist has no rows.

    Returns
    -------
    list of dict
    """
    return read_log(path)[0]


def read_log(path: Path) -> tuple[list[Row], int]:
    """Rows of a metrics file, and where they end if that is not the end of the file.

    Parameters
    ----------
    path : Path
        The file; one that does not exist has no rows.

    Returns
    -------
    list of dict
        The rows before the first damaged line.
    int
        Number of that line, from 1; 0 if there is none. A torn last line is none: the run may be writing it.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    data = path.read_bytes() if path.exists() else b""
    rows, size = _scan(data)
    return rows, len(rows) + 1 if b"\n" in data[size:] else 0


def _scan(data: bytes, last_step: int | None = None) -> tuple[list[Row], int]:
    """The sound rows at the beginning, up to a step, and the number of bytes they take."""
    rows: list[Row] = []
    size = 0
    for line in data.splitlines(keepends=True):
        try:
            row = json.loads(line)
            step = int(row["step"])
        except (ValueError, TypeError, KeyError, RecursionError):
            break
        too_late = last_step is not None and step > last_step
        if too_late or not line.endswith(b"\n") or (rows and step <= rows[-1]["step"]):
            break
        rows.append(row)
        size += len(line)
    return rows, size
