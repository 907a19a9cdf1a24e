"""The lines of a text as sentences of bytes: which of them are used, and how they are divided."""

from __future__ import annotations

from typing import NamedTuple

from npr.errors import ConfigError, DataError
from npr.tasks import text_split
from npr.tasks.text_files import Found
from npr.tasks.text_split import SPLITS, Shares

FORMS = "auto, files, text:TRAIN:VALIDATION, none"


class Rules(NamedTuple):
    """Which lines are used.

    max_bytes : longest line, its newline not counted
    cut : whether longer ones are cut to that length instead of left out
    once : whether a line that has come before, here or in an earlier split, is left out
    """

    max_bytes: int
    cut: bool
    once: bool


class Chosen(NamedTuple):
    """Sentences by split, without newline or NUL, and how many lines there were, empty, too long and come again."""

    sentences: dict[str, list[bytes]]
    counts: dict[str, int]


def check(split: str) -> Shares:
    """The division that `split` names; ConfigError unless lines can be divided so."""
    shares = text_split.parse(split)
    if shares.kind == "chunks":
        raise ConfigError(f"split = '{split}': lines are no chunks. Use one of: {FORMS}.")
    return shares


def choose(found: Found, rules: Rules, split: str) -> Chosen:
    """The used lines of a text, divided.

    A line ends at a newline (LF, CR or CR LF) or with the file. Empty lines are left out. Shares are shares of the
    lines that are used, in their order: the end of the text is held out.

    Parameters
    ----------
    found : Found
        The text.
    rules : Rules
        Which lines are used.
    split : str
        "files" as the set comes; "text:TRAIN:VALIDATION"; "none"; "auto" for "files" where there are three, else for
        "text:0.9:0.05".

    Raises
    ------
    ConfigError
        If the split does not suit the text.
    DataError
        If no line can be used, a part of the split is empty, or a line holds a NUL byte, which ends a sentence.
    """
    shares, data = _shares(found, split), found.about["data"]
    counts = {"lines": 0, "empty": 0, "too_long": 0, "come_again": 0}
    seen: set[bytes] = set()
    used = {name: _used(bytes(content), rules, counts, seen, data) for name, content in found.content.items()}
    if not any(used.values()):
        raise DataError(
            f"{data}: no line can be used; of {counts['lines']:,} lines {counts['empty']:,} are empty and "
            f"{counts['too_long']:,} longer than max_bytes = {rules.max_bytes}. Raise max_bytes, set long_lines = cut, "
            f"or name another text."
        )
    if shares.kind != "files":
        used = _divide(used["train"], shares)
    for name in SPLITS:
        wanted = shares.kind == "files" or shares.counts(10**9)[name] > 0
        if wanted and not used[name]:
            total = sum(map(len, used.values()))
            raise DataError(f"{data}: {total:,} lines, split = '{split}', leave none for {name}. Change split.")
    return Chosen(used, counts)


def _shares(found: Found, split: str) -> Shares:
    """The division, with what "auto" stands for."""
    shares, files = check(split), len(found.content)
    if shares.kind == "auto":
        return Shares("files") if files > 1 else Shares("text", 0.9, 0.05)
    if (shares.kind == "files") != (files > 1):
        other = "comes in three files: set split = files" if files > 1 else "is one text: choose another split"
        raise ConfigError(f"split = '{split}': {found.about['data']} {other}.")
    return shares


def _used(content: bytes, rules: Rules, counts: dict[str, int], seen: set[bytes], data: str) -> list[bytes]:
    """The used lines of one file; `counts` and `seen` are brought up to date."""
    used = []
    for number, line in enumerate(content.splitlines(), 1):
        counts["lines"] += 1
        if 0 in line:
            raise DataError(f"{data}: line {number} holds a NUL byte, which ends a sentence. Is it a text in UTF-8?")
        too_long = len(line) > rules.max_bytes
        sentence = line[: rules.max_bytes]
        again = rules.once and sentence in seen
        counts["empty"] += not line
        counts["too_long"] += too_long
        if not line or (too_long and not rules.cut):
            continue
        counts["come_again"] += again
        if not again:
            used.append(sentence)
            seen.add(sentence)
    return used


def _divide(used: list[bytes], shares: Shares) -> dict[str, list[bytes]]:
    """Consecutive parts."""
    counts = shares.counts(len(used))
    first, second = counts["train"], counts["train"] + counts["validation"]
    return dict(zip(SPLITS, (used[:first], used[first:second], used[second:]), strict=True))
