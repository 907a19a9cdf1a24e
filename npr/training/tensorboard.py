"""Event files that TensorBoard reads, in the run folder; messages and checksums are those of tensorboardX.

tensorboardX's own writer stands on a queue and a thread. When a write fails the thread ends, the queue fills up, and
training would wait for it forever; rows are few, so they are written at once here.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Sequence
from typing import Any

from npr.extras import require
from npr.training.events import Start
from npr.training.metrics import Row
from npr.training.storage import Disk, write_all

FOLDER = "tensorboard"
_VERSION = "brain.Event:2"


class TensorBoardSink:
    """Writes every number of every row as a scalar under its name in metrics.jsonl, and the configuration as a text.

    Parameters
    ----------
    disk : Disk
        Access to the file system.

    Raises
    ------
    ConfigError
        If tensorboardX is not installed.
    """

    def __init__(self, disk: Disk | None = None) -> None:
        names = ("summary", "proto.event_pb2", "record_writer")
        summary, events, writer = (require(f"tensorboardX.{name}", "tb", "tensorboard = true") for name in names)
        self._summary, self._event, self._session = summary, events.Event, events.SessionLog
        self._checksum = writer.masked_crc32c
        self._disk = disk or Disk()
        self._file: int | None = None
        self._last: Row = {}

    def start(self, start: Start, rows: Sequence[Row]) -> None:
        """Begin a file; what earlier files have after the last row of the run is hidden, the run computes it anew."""
        folder = start.run / FOLDER
        if not folder.is_dir():
            self._disk.make_folder(folder)
        # TensorBoard reads files in the order of their names; two sessions may begin in one second.
        session = sum(1 for _ in folder.iterdir())
        self._last = rows[-1] if rows else {}
        self._file = self._disk.create(folder / f"events.out.tfevents.{int(time.time()):010d}.{session:04d}.npr")
        self._add(file_version=_VERSION)
        if session:
            self._add(step=self._last.get("step", -1) + 1, session_log=self._session(status=self._session.START))
        listing = "".join(f"    {key} = {json.dumps(value)}\n" for key, value in start.config.items())
        self._add(step=start.step, summary=self._summary.text("config", listing))

    def write(self, row: Row) -> None:
        """Add a row, or the figures that the last one did not have."""
        known = self._last.keys() if self._last.get("step") == row["step"] else {"step"}
        figures = {name: figure for name, figure in row.items() if name not in known}
        self._last, value = row, self._summary.Summary.Value
        values = [value(tag=name, simple_value=figure) for name, figure in figures.items() if _is_number(figure)]
        self._add(step=row["step"], summary=self._summary.Summary(value=values))

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            file, self._file = self._file, None
            self._disk.close(file)

    def _add(self, **content: Any) -> None:
        """One record: length, its checksum, event, its checksum."""
        assert self._file is not None
        data = self._event(wall_time=time.time(), **content).SerializeToString()
        length = struct.pack("<Q", len(data))
        ends = [struct.pack("<I", self._checksum(part)) for part in (length, data)]
        write_all(self._disk, self._file, length + ends[0] + data + ends[1])


def _is_number(figure: Any) -> bool:
    return isinstance(figure, int | float)
