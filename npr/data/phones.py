"""The 61 phones of TIMIT's transcriptions and the 39 classes in which they are counted.

Source: Lee and Hon 1989, table I (48 phones, 39 after confusions within groups are forgiven); the same table as in
Kaldi's egs/timit/s5/conf/phones.60-48-39.map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npr.errors import DataError

# The glottal stop, which belongs to no class.
DROPPED = "q"
NO_CLASS = -1
# Every class with the phones that are counted as it.
_CLASSES = (
    "aa=aa,ao ae ah=ah,ax,ax-h aw ay b ch d dh dx eh er=er,axr ey f g hh=hh,hv ih=ih,ix iy jh k l=l,el m=m,em "
    "n=n,en,nx ng=ng,eng ow oy p r s sh=sh,zh sil=bcl,dcl,gcl,pcl,tcl,kcl,epi,pau,h# t th uh uw=uw,ux v w y z"
)


def _folded() -> dict[str, str]:
    groups = [group.partition("=") for group in _CLASSES.split()]
    return {phone: name for name, _, phones in groups for phone in (phones or name).split(",")}


FOLDED = _folded()
CLASSES = tuple(sorted(set(FOLDED.values())))
_NUMBERS = {name: number for number, name in enumerate(CLASSES)}


class Segment(NamedTuple):
    """A phone from sample `start` up to, and without, sample `end`."""

    start: int
    end: int
    phone: str


def parse(text: str, where: str) -> list[Segment]:
    """The segments in the text of a .PHN file: lines "start end phone", in order of time.

    Raises
    ------
    DataError
        Naming `where` and the line, if it has another form, runs backwards, or names a phone that TIMIT lacks.
    """
    found: list[Segment] = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
            raise DataError(f"{where}, line {number}: expected 'start end phone', found '{line[:60]}'.")
        segment = Segment(int(parts[0]), int(parts[1]), parts[2].lower())
        if segment.end <= segment.start or (found and segment.start < found[-1].end):
            raise DataError(f"{where}, line {number}: '{line}' runs back in time.")
        if segment.phone != DROPPED and segment.phone not in FOLDED:
            raise DataError(f"{where}, line {number}: '{parts[2]}' is none of TIMIT's 61 phones.")
        found.append(segment)
    if not found:
        raise DataError(f"{where}: it holds no phones.")
    return found


def at(segments: list[Segment], samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class, an index of CLASSES, at each of `samples` (n,); NO_CLASS in the glottal stop and outside."""
    starts = np.array([segment.start for segment in segments])
    ends = np.array([segment.end for segment in segments])
    classes = np.array([_NUMBERS.get(FOLDED.get(segment.phone, ""), NO_CLASS) for segment in segments])
    which = np.searchsorted(starts, samples, side="right") - 1
    inside = (which >= 0) & (samples < ends[which])
    return np.where(inside, classes[which], NO_CLASS)
