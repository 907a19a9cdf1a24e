"""Which run a user means: a path, a number or a name below ./runs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from npr.errors import ConfigError

RUNS = Path("runs")
CONFIG = "config.toml"
_NUMBER = re.compile(r"(\d{4,})-.+")


def find_run(run: str | os.PathLike[str]) -> Path:
    """The folder that a user means by a path, a number or a name below ./runs.

    Raises
    ------
    ConfigError
        If there is none or there are several; the message lists them.
    """
    text = os.fspath(run)
    is_number = text.isascii() and text.isdigit()
    for path in (Path(text), RUNS / text):
        if text and os.path.isdir(path) and (not is_number or os.path.isfile(path / CONFIG)):
            return path
    found = [path for path in runs() if is_number and str(number(path)) == text.lstrip("0")]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"Run {text} is ambiguous: {', '.join(path.name for path in found)}. Give the whole name.")
    raise ConfigError(f"There is no run '{text}'.{known_runs()}")


def runs() -> list[Path]:
    """Numbered folders below ./runs, in the order of their numbers."""
    found = RUNS.iterdir() if RUNS.is_dir() else iter(())
    return sorted(
        (path for path in found if number(path) >= 0 and path.is_dir()), key=lambda path: (number(path), path.name)
    )


def number(path: Path) -> int:
    """Number at the beginning of a run folder's name; -1 if there is none."""
    match = _NUMBER.fullmatch(path.name)
    return int(match[1]) if match else -1


def known_runs() -> str:
    """Sentence that lists the runs, for error messages."""
    names = [path.name for path in runs()]
    return f" Runs here: {', '.join(names)}." if names else f" There are no runs below ./{RUNS}."
