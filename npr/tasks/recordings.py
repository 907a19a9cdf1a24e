"""Where recordings come from, in one form: spoken digits from their archive, sentences from a TIMIT folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from npr.data import fsdd, known, search, timit
from npr.data.loading import load
from npr.data.phones import Segment
from npr.data.sound import Sound
from npr.errors import DataError
from npr.tasks.base import Log


class Recording(NamedTuple):
    """One recording.

    name : what errors call it
    speaker : who speaks
    part : "train" or "test" where the set says so
    take : number of the take, of a digit
    digit : what is said, of a digit
    sound : reads the samples
    segments : reads the phones
    """

    name: str
    speaker: str
    part: str
    take: int
    digit: int
    sound: Callable[[], Sound]
    segments: Callable[[], list[Segment]]


class Source(NamedTuple):
    """The recordings of a data set, and where they come from: JSON values."""

    recordings: list[Recording]
    about: dict[str, Any]


def digits(data_dir: str | os.PathLike[str] | None, log: Log) -> Source:
    """The spoken digits; errors as in `npr.data.load`."""
    described = known.find("fsdd")
    loaded = load(described, data_dir, log)
    log(f"data: {described.name} from {loaded.folder} ({loaded.source}), content verified")
    (file,) = described.files
    found = fsdd.parse(loaded.content[file.name], file.name)
    recordings = [
        Recording(one.name, one.speaker, "", one.take, one.digit, one.sound, _no_segments(one.name)) for one in found
    ]
    return Source(recordings, {"data": "fsdd", "source": loaded.source, "sha256": {file.name: file.sha256}})


def sentences(data_dir: str | os.PathLike[str] | None, log: Log) -> Source:
    """The sentences of the TIMIT folder that `data_dir` or `$NPR_DATA_DIR` names, without SA.

    Raises
    ------
    DataError
        If no folder was named, or it holds no TIMIT.
    """
    place = search.place(data_dir)
    if not place.named:
        raise DataError(
            f"TIMIT is sold by the Linguistic Data Consortium (LDC93S1) and cannot be downloaded. "
            f"Name the folder that holds TRAIN and TEST with {search.OPTION} or {search.VARIABLE}."
        )
    found = timit.find(place.folder)
    log(f"data: {len(found):,} sentences of TIMIT below {place.folder} ({place.source}), SA left out")
    recordings = [Recording(str(one.wav), one.speaker, one.part, 0, 0, one.sound, one.segments) for one in found]
    return Source(recordings, {"data": "timit", "source": place.source})


def _no_segments(name: str) -> Callable[[], list[Segment]]:
    def refuse() -> list[Segment]:
        raise DataError(f"{name}: nobody has written down its phones.")

    return refuse
