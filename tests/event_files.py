"""Reads the event files of TensorBoard as it shows them: a session that went back hides what it computes anew."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c


def scalars(folder: Path) -> dict[int, dict[str, float]]:
    """Scalars by step, in the order in which they were written; fails if one would be shown twice."""
    found: dict[int, dict[str, float]] = {}
    for event in _events(folder):
        if event.session_log.status == SessionLog.START:
            found = {step: row for step, row in found.items() if step < event.step}
        row = {value.tag: value.simple_value for value in event.summary.value if value.HasField("simple_value")}
        if row:
            assert not found.get(event.step, {}).keys() & row.keys()
            found.setdefault(event.step, {}).update(row)
    return found


def texts(folder: Path) -> dict[str, str]:
    """Texts by their tags."""
    values = [value for event in _events(folder) for value in event.summary.value if value.tensor.string_val]
    return {value.tag: value.tensor.string_val[0].decode() for value in values}


def _events(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.glob("*tfevents*")):
        data = path.read_bytes()
        events = list(_records(data))
        assert events[0].file_version == "brain.Event:2"
        yield from events


def _records(data: bytes) -> Iterator[Any]:
    while data:
        length, check = struct.unpack("<QI", data[:12])
        content, end = data[12 : 12 + length], data[12 + length : 16 + length]
        assert masked_crc32c(data[:8]) == check
        assert struct.unpack("<I", end)[0] == masked_crc32c(content)
        yield Event.FromString(content)
        data = data[16 + length :]
