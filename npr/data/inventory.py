"""What the command line shows and does about data sets: list, fetch, verify."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from npr.data import known as knowns
from npr.data import loading, search


class FileState(NamedTuple):
    """One file: its state ("ok", "missing" or "damaged"), its path if there is one, and what is wrong."""

    name: str
    state: str
    path: Path | None
    detail: str


class SetState(NamedTuple):
    """One data set: state of the worst file, who named the folder, the folder, and the files."""

    name: str
    title: str
    licence: str
    state: str
    source: str
    folder: Path
    files: tuple[FileState, ...]


def catalogue(data_dir: str | os.PathLike[str] | None = None) -> list[SetState]:
    """The state of every known data set on this machine; content is read and hashed, nothing downloaded."""
    return [verify(name, data_dir) for name in sorted(knowns.SETS)]


def verify(name: str, data_dir: str | os.PathLike[str] | None = None) -> SetState:
    """Check every file of one data set where `train` would look for it.

    Parameters
    ----------
    name : str
        A known data set.
    data_dir : path or None
        The folder named by the user; None searches `$NPR_DATA_DIR` or the cache.

    Returns
    -------
    SetState

    Raises
    ------
    ConfigError
        If there is no data set of that name.
    """
    known = knowns.find(name)
    place = search.place(data_dir)
    found = loading.scan(known, place.folder)
    at = search.paths(place.folder, known)
    files = []
    for file in known.files:
        fault = found.damaged.get(file.name, "")
        state = "missing" if file.name in found.missing else "damaged" if fault else "ok"
        files.append(FileState(file.name, state, at.get(file.name), fault))
    states = {file.state for file in files}
    worst = next(state for state in ("damaged", "missing", "ok") if state in states)
    folder = search.home(place.folder, known)
    return SetState(known.name, known.title, known.licence, worst, place.source, folder, tuple(files))


def fetch(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    log: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
) -> Path:
    """Download what is missing or damaged of one data set.

    Parameters
    ----------
    name : str
        A known data set.
    data_dir : path or None
        Folder to fill, in which a folder called `name` is made; None is the user's cache.
    log : callable
        Takes a line for every download.

    Returns
    -------
    Path
        The folder that now holds the whole set, checked.

    Raises
    ------
    ConfigError
        If there is no data set of that name.
    DataError
        If no mirror delivers a file, or the folder cannot be written.
    """
    root = search.cache_folder() if data_dir is None else Path(data_dir).expanduser()
    return loading.cached(knowns.find(name), root, log, must_keep=True).folder
