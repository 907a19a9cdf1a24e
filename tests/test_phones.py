"""Transcriptions of TIMIT: segments, the 39 classes, and which phone a frame belongs to."""

from __future__ import annotations

import numpy as np
import pytest

from npr.data import phones
from npr.data.phones import CLASSES, FOLDED, NO_CLASS, Segment
from npr.errors import DataError

TEXT = "0 2000 h#\n2000 5000 SH\n\n5000 5600 q\n5700 8000 iy\n"
SEGMENTS = [Segment(0, 2000, "h#"), Segment(2000, 5000, "sh"), Segment(5000, 5600, "q"), Segment(5700, 8000, "iy")]


def test_segments_are_read() -> None:
    assert phones.parse(TEXT, "sample") == SEGMENTS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 10 h#\n10 20\n", "line 2: expected 'start end phone', found '10 20'"),
        ("0 ten h#\n", "line 1: expected 'start end phone'"),
        ("-1 10 h#\n", "line 1: expected 'start end phone'"),
        ("0 10 h# more\n", "line 1: expected 'start end phone'"),
        ("0 10 h#\n9 20 sh\n", "line 2: '9 20 sh' runs back in time"),
        ("10 10 h#\n", "runs back in time"),
        ("0 10 xx\n", "'xx' is none of TIMIT's 61 phones"),
        ("\n", "it holds no phones"),
    ],
)
def test_damaged_transcriptions_are_named(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        phones.parse(text, "SA1.PHN")
    assert str(caught.value).startswith("SA1.PHN")


def test_sixty_phones_fold_into_thirty_nine() -> None:
    assert len(FOLDED) == 60
    assert "q" not in FOLDED
    assert len(CLASSES) == 39
    assert set(CLASSES) == set(FOLDED.values())
    assert list(CLASSES) == sorted(CLASSES)
    # Every class but silence and sh is named after one of its phones that stays as it is.
    assert {name for name in CLASSES if FOLDED.get(name) != name} == {"sil"}


@pytest.mark.parametrize(
    ("folded", "group"),
    [
        ("sil", "bcl dcl gcl pcl tcl kcl epi pau h#"),
        ("ah", "ah ax ax-h"),
        ("aa", "aa ao"),
        ("er", "er axr"),
        ("hh", "hh hv"),
        ("ih", "ih ix"),
        ("l", "l el"),
        ("m", "m em"),
        ("n", "n en nx"),
        ("ng", "ng eng"),
        ("sh", "sh zh"),
        ("uw", "uw ux"),
    ],
)
def test_the_groups_of_lee_and_hon(folded: str, group: str) -> None:
    assert {phone for phone, name in FOLDED.items() if name == folded} == set(group.split())


def test_phones_at_samples() -> None:
    samples = np.array([-1, 0, 1999, 2000, 4999, 5000, 5599, 5650, 5700, 7999, 8000, 10**6])
    wanted = ["", "sil", "sil", "sh", "sh", "", "", "", "iy", "iy", "", ""]
    found = phones.at(SEGMENTS, samples)
    assert [CLASSES[number] if number != NO_CLASS else "" for number in found] == wanted
