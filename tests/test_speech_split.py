"""Who is trained on, who selects and who tests, for digits and for TIMIT."""

from __future__ import annotations

import numpy as np
import pytest

from npr.data import timit
from npr.errors import ConfigError, DataError
from npr.tasks.recordings import Recording
from npr.tasks.speech_split import check, divide


def _unread() -> None:
    raise AssertionError("no recording is read here")


def _digit(speaker: str, take: int) -> Recording:
    return Recording(f"{speaker} {take}", speaker, "", take, 0, _unread, _unread)


def _sentence(part: str, speaker: str) -> Recording:
    return Recording(f"{part} {speaker}", speaker, part, 0, 0, _unread, _unread)


DIGITS = [_digit(speaker, take) for speaker in ("anna", "ben", "cleo") for take in range(12)]
TIMIT = [
    *(_sentence("train", speaker) for speaker in ("fcjf0", "mdac0")),
    *(_sentence("test", speaker) for speaker in (*sorted(timit.CORE_TEST), *sorted(timit.DEVELOPMENT), "mwvw0")),
]


def _names(split: str, validation: str, data: str) -> dict[str, list[str]]:
    recordings = DIGITS if data == "fsdd" else TIMIT
    rows = divide(split, validation, data, recordings)
    assert all(numbers.dtype == np.int64 for numbers in rows.values())
    every = np.concatenate(list(rows.values()))
    assert len(set(every.tolist())) == len(every)
    return {part: [recordings[number].name for number in numbers] for part, numbers in rows.items()}


def _takes(speakers: str, *takes: int) -> list[str]:
    return [f"{speaker} {take}" for speaker in speakers.split() for take in takes]


ALL = "anna ben cleo"


@pytest.mark.parametrize(
    ("split", "validation", "train", "held_out", "test"),
    [
        ("official", "standard", _takes(ALL, 10, 11), _takes(ALL, *range(5, 10)), _takes(ALL, *range(5))),
        ("official", "none", _takes(ALL, *range(5, 12)), [], _takes(ALL, *range(5))),
        ("official", "index:4-6", _takes(ALL, *range(7, 12)), _takes(ALL, 5, 6), _takes(ALL, *range(5))),
        (
            "official", "speaker:ben",
            _takes("anna cleo", *range(5, 12)), _takes("ben", *range(5, 12)), _takes(ALL, *range(5)),
        ),
        (
            "speaker:ben", "standard",
            _takes("anna cleo", *range(5), 10, 11), _takes("anna cleo", *range(5, 10)), _takes("ben", *range(12)),
        ),
        (
            "speaker:BEN", "speaker:anna",
            _takes("cleo", *range(12)), _takes("anna", *range(12)), _takes("ben", *range(12)),
        ),
        ("speaker:anna,ben", "none", _takes("cleo", *range(12)), [], _takes("anna ben", *range(12))),
    ],
)  # fmt: skip
def test_spoken_digits(split: str, validation: str, train: list, held_out: list, test: list) -> None:
    assert _names(split, validation, "fsdd") == {
        "train": sorted(train, key=_place),
        "validation": sorted(held_out, key=_place),
        "test": sorted(test, key=_place),
    }


def _place(name: str) -> int:
    return [one.name for one in DIGITS].index(name)


@pytest.mark.parametrize(("split", "swapped"), [("official", False), ("swapped", True)])
def test_the_published_parts_of_timit(split: str, swapped: bool) -> None:
    names = _names(split, "standard", "timit")
    core = [f"test {speaker}" for speaker in sorted(timit.CORE_TEST)]
    development = [f"test {speaker}" for speaker in sorted(timit.DEVELOPMENT)]
    assert names["train"] == ["train fcjf0", "train mdac0"]
    assert (names["validation"], names["test"]) == ((core, development) if swapped else (development, core))


def test_speakers_of_timit_may_be_named() -> None:
    names = _names("speaker:mwvw0", "speaker:mdac0", "timit")
    assert names == {"train": ["train fcjf0"], "validation": ["train mdac0"], "test": ["test mwvw0"]}


def test_the_published_speakers() -> None:
    assert (len(timit.CORE_TEST), len(timit.DEVELOPMENT)) == (24, 50)
    assert not timit.CORE_TEST & timit.DEVELOPMENT
    # One woman and two men of each of the eight dialect regions.
    assert sum(name.startswith("f") for name in timit.CORE_TEST) == 8


@pytest.mark.parametrize("split", ["", "half", "speaker:", "speaker:a,", "speaker:a,,b", "Official", "speaker:a b"])
def test_unknown_splits_are_refused(split: str) -> None:
    with pytest.raises(ConfigError, match="is not one of: official, swapped, speaker:NAME"):
        check(split, "standard")


@pytest.mark.parametrize("validation", ["", "tail:5", "index:5", "index:a-b", "index:-1-2", "speaker:", "index:9-5"])
def test_unknown_validations_are_refused(validation: str) -> None:
    with pytest.raises(ConfigError, match="validation = "):
        check("official", validation)


@pytest.mark.parametrize(
    ("split", "validation", "data", "says"),
    [
        ("speaker:bne", "standard", "fsdd", r"Unknown speaker 'bne'. Did you mean 'ben'\?"),
        ("official", "speaker:dan", "fsdd", "Unknown speaker 'dan'.*Available: anna, ben, cleo"),
        ("swapped", "standard", "fsdd", "only timit has"),
        ("official", "index:5-9", "timit", "TIMIT has no takes"),
    ],
)
def test_what_does_not_suit_the_data_is_refused(split: str, validation: str, data: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        _names(split, validation, data)


@pytest.mark.parametrize(
    ("split", "validation", "part"),
    [
        ("speaker:anna,ben,cleo", "none", "train"),
        ("speaker:ben", "speaker:ben", "validation"),
        ("official", "index:40-49", "validation"),
        ("official", "index:5-11", "train"),
    ],
)
def test_empty_parts_are_refused(split: str, validation: str, part: str) -> None:
    with pytest.raises(DataError, match=f"fsdd has no recordings for {part} with split = '{split}'"):
        _names(split, validation, "fsdd")
