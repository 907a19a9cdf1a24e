"""Where data files are looked for: a named folder, or else the user's cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import platformdirs

from npr.data.known import KnownSet

OPTION = "--data-dir"
VARIABLE = "NPR_DATA_DIR"
CACHE = "cache"


class Place(NamedTuple):
    """The folder to search and who named it: "--data-dir", "NPR_DATA_DIR" or "cache"."""

    folder: Path
    source: str

    @property
    def named(self) -> bool:
        """Whether the user named this folder; then nothing else is searched and nothing downloaded."""
        return self.source != CACHE


def cache_folder() -> Path:
    """Folder of downloaded data: `$NPR_CACHE_DIR/data`, or `data` in the user's cache folder of npr."""
    chosen = os.environ.get("NPR_CACHE_DIR")
    root = Path(chosen) if chosen else Path(platformdirs.user_cache_path("npr"))
    return root / "data"


def place(data_dir: str | os.PathLike[str] | None = None) -> Place:
    """The folder that counts: `data_dir`, else `$NPR_DATA_DIR`, else the user's cache."""
    if data_dir is not None:
        return Place(Path(data_dir).expanduser(), OPTION)
    variable = os.environ.get(VARIABLE)
    if variable:
        return Place(Path(variable).expanduser(), VARIABLE)
    return Place(cache_folder(), CACHE)


def paths(folder: Path, known: KnownSet) -> dict[str, Path]:
    """The files of `known` that `folder` holds, by name.

    Accepted are `folder/mnist`, `folder/MNIST/raw` and `folder` itself, whichever first holds
    a file of the set, and in it `NAME` or `NAME.gz`.
    """
    for candidate in (folder / known.name, folder / known.name.upper() / "raw", folder):
        found = {}
        for file in known.files:
            for path in (candidate / file.name, candidate / f"{file.name}.gz"):
                if os.path.exists(path):
                    found[file.name] = path
                    break
        if found:
            return found
    return {}


def home(root: Path, known: KnownSet) -> Path:
    """The folder below `root` in which the files of `known` lie, or should be put."""
    return next((path.parent for path in paths(root, known).values()), root / known.name)
