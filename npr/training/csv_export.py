"""The rows of a run as a table for spreadsheets; every figure that any row has is a column."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from npr.errors import StorageError
from npr.training.events import Start
from npr.training.metrics import Row, read_rows
from npr.training.run_folder import METRICS
from npr.training.run_lookup import find_run
from npr.training.storage import Disk, replace_file, write_all

TABLE = "metrics.csv"


def write_csv(run: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Write the rows of a run as comma-separated values; a file that is there is replaced.

    Parameters
    ----------
    run : path
        Run folder, or its number or name below ./runs.
    path : path
        The table. Figures that a row lacks are empty cells.

    Raises
    ------
    ConfigError
        If there is no such run.
    StorageError
        If the table cannot be written.
    """
    rows = read_rows(find_run(run) / METRICS)
    try:
        replace_file(Disk(), Path(path), _table(columns(rows), rows))
    except OSError as error:
        raise StorageError(f"Cannot write '{path}': {error.strerror}. Free space or choose another place.") from error


def columns(rows: Iterable[Row]) -> list[str]:
    """Names of all figures, those of earlier rows first; "step" even without a row."""
    return list(dict.fromkeys(["step", *(key for row in rows for key in row)]))


class CsvSink:
    """Keeps metrics.csv of a run: a row is appended; one with new figures rewrites the table under a longer header.

    Parameters
    ----------
    disk : Disk
        Access to the file system.
    """

    def __init__(self, disk: Disk | None = None) -> None:
        self._disk = disk or Disk()
        self._rows: list[Row] = []
        self._columns: list[str] = []

    def start(self, start: Start, rows: Sequence[Row]) -> None:
        """Write the table anew: a resumed run may have gone back behind its last row."""
        self._path = start.run / TABLE
        self._rows, self._columns = list(rows), columns(rows)
        replace_file(self._disk, self._path, _table(self._columns, self._rows))

    def write(self, row: Row) -> None:
        """Add a row, or give the last one more figures."""
        again = bool(self._rows) and self._rows[-1]["step"] == row["step"]
        if again:
            self._rows.pop()
        self._rows.append(row)
        if row.keys() <= set(self._columns) and not again:
            self._append(_lines(self._columns, [row]))
        else:
            self._columns = columns(self._rows)
            replace_file(self._disk, self._path, _table(self._columns, self._rows))

    def close(self) -> None:
        """Nothing is left to do: the table is whole after every row."""

    def _append(self, data: bytes) -> None:
        descriptor = self._disk.append(self._path)
        try:
            write_all(self._disk, descriptor, data)
        finally:
            self._disk.close(descriptor)


def _table(names: list[str], rows: Iterable[Row]) -> bytes:
    return ",".join(names).encode() + b"\n" + _lines(names, rows)


def _lines(names: list[str], rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, names, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
