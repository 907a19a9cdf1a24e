"""Which recordings are trained on, which select the best model, and which test it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from npr.data import timit
from npr.errors import ConfigError, DataError
from npr.registry import unknown
from npr.tasks.recordings import Recording

SPLITS = "official, swapped, speaker:NAME[,NAME]"
VALIDATIONS = "standard, index:FIRST-LAST, speaker:NAME[,NAME], none"
# Takes 0 to 4 of every digit and speaker. Source: Jakobovski/free-spoken-digit-dataset, README.
_TEST_TAKES = range(5)
_STANDARD_TAKES = range(5, 10)
_SPEAKERS = re.compile(r"speaker:([\w-]+(?:,[\w-]+)*)")
_INDEX = re.compile(r"index:(\d{1,6})-(\d{1,6})")
Rows = dict[str, NDArray[np.int64]]
Choice = Callable[[Recording], bool]


def check(split: str, validation: str) -> None:
    """Raise ConfigError unless both have one of the forms above."""
    if split not in ("official", "swapped") and not _SPEAKERS.fullmatch(split):
        raise ConfigError(f"split = '{split}' is not one of: {SPLITS}.")
    index = _INDEX.fullmatch(validation)
    if validation not in ("standard", "none") and not index and not _SPEAKERS.fullmatch(validation):
        raise ConfigError(f"validation = '{validation}' is not one of: {VALIDATIONS}.")
    if index and int(index[1]) > int(index[2]):
        raise ConfigError(f"validation = '{validation}': the first index is greater than the last.")


def divide(split: str, validation: str, data: str, recordings: Sequence[Recording]) -> Rows:
    """Numbers of the recordings of "train", "validation" and "test".

    split               fsdd                                timit
    official            test: takes 0 to 4                  test: the 24 speakers of the core test
    swapped             (not offered)                       test: the 50 speakers of the development set
    speaker:A,B         test: all of these speakers         the same

    validation          of what is not tested
    standard            takes 5 to 9                        the development set; if swapped, the core test
    index:5-9           these takes                         (not offered)
    speaker:A           all of these speakers               the same
    none                nothing: nothing can be selected, only the last state of a training is meaningful

    Trained on is the rest, of TIMIT the rest of its training part.

    Parameters
    ----------
    split, validation : str
        As above.
    data : {"fsdd", "timit"}
        Whose recordings they are.
    recordings : sequence of Recording
        All there are.

    Returns
    -------
    dict of ndarray, int64

    Raises
    ------
    ConfigError
        If a form does not suit the data, or a speaker is unknown.
    DataError
        If nothing is left to train on, to validate (unless that is not wanted) or to test.

    Source: swapped is what Lezcano/expRNN 3_timit.py does, which selects on the core test and reports on the
    development set, against the names that stwisdom/urnn gave them.
    """
    check(split, validation)
    tested = _tested(split, data, recordings)
    validates = _validates(split, validation, data, recordings)
    rows: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for number, one in enumerate(recordings):
        if tested(one):
            rows["test"].append(number)
        elif validates(one):
            rows["validation"].append(number)
        elif one.part != "test":
            rows["train"].append(number)
    for part, numbers in rows.items():
        if not numbers and (part, validation) != ("validation", "none"):
            raise DataError(f"{data} has no recordings for {part} with split = '{split}', validation = '{validation}'.")
    return {part: np.array(numbers, np.int64) for part, numbers in rows.items()}


def _tested(split: str, data: str, recordings: Sequence[Recording]) -> Choice:
    if split.startswith("speaker:"):
        return _speakers("split", split, recordings)
    if data == "timit":
        chosen = timit.CORE_TEST if split == "official" else timit.DEVELOPMENT
        return lambda one: one.part == "test" and one.speaker in chosen
    if split == "swapped":
        raise ConfigError("split = 'swapped' exchanges sets that only timit has; take 'official' for spoken digits.")
    return lambda one: one.take in _TEST_TAKES


def _validates(split: str, validation: str, data: str, recordings: Sequence[Recording]) -> Choice:
    if validation == "none":
        return lambda one: False
    if validation.startswith("speaker:"):
        return _speakers("validation", validation, recordings)
    if data == "timit":
        if validation != "standard":
            raise ConfigError(f"validation = '{validation}': TIMIT has no takes; name speakers, or take 'standard'.")
        chosen = timit.CORE_TEST if split == "swapped" else timit.DEVELOPMENT
        return lambda one: one.part == "test" and one.speaker in chosen
    index = _INDEX.fullmatch(validation)
    takes = range(int(index[1]), int(index[2]) + 1) if index else _STANDARD_TAKES
    return lambda one: one.take in takes


def _speakers(key: str, spec: str, recordings: Sequence[Recording]) -> Choice:
    names = spec.removeprefix("speaker:").lower().split(",")
    there = {one.speaker for one in recordings}
    for name in names:
        if name not in there:
            raise ConfigError(f"{key} = '{spec}': {unknown('speaker', name, sorted(there))}")
    return lambda one: one.speaker in names
