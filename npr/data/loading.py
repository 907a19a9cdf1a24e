"""The checked content of a data set: from the folder that counts, or downloaded into the cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from npr.data import content as contents
from npr.data import download, search, store
from npr.data.download import Unreachable
from npr.data.known import KnownFile, KnownSet
from npr.errors import DataError

Log = Callable[[str], None]


class Loaded(NamedTuple):
    """Content by file name; "--data-dir", "NPR_DATA_DIR", "cache" or "download"; the folder it lies in."""

    content: dict[str, bytearray]
    source: str
    folder: Path


class Scan(NamedTuple):
    """What a folder holds of a set: checked content, and what is wrong with the rest, both by file name."""

    content: dict[str, bytearray]
    missing: list[str]
    damaged: dict[str, str]


def scan(known: KnownSet, folder: Path) -> Scan:
    """Read and check every file of `known` that `folder` holds."""
    found = search.paths(folder, known)
    result = Scan({}, [], {})
    for file in known.files:
        if file.name not in found:
            result.missing.append(file.name)
            continue
        try:
            result.content[file.name] = read(file, found[file.name])
        except DataError as error:
            result.damaged[file.name] = str(error)
    return result


def read(file: KnownFile, path: Path) -> bytearray:
    """The content of `path`, checked to be `file`; DataError says what differs."""
    content = contents.read(path, file.size)
    file.check(content, str(path))
    return content


def load(known: KnownSet, data_dir: str | os.PathLike[str] | None, log: Log) -> Loaded:
    """All files of a data set, checked.

    A folder that was named (`data_dir` or `$NPR_DATA_DIR`) must hold the whole set; the network is not asked
    then. Otherwise the cache answers, and what it lacks is downloaded.

    Parameters
    ----------
    known : KnownSet
        The data set.
    data_dir : path or None
        The folder named by the user.
    log : callable
        Takes lines about downloads.

    Returns
    -------
    Loaded

    Raises
    ------
    DataError
        If a named folder lacks files or holds damaged ones, or a damaged cached file cannot be replaced.
    Unreachable
        If files are missing in the cache and no mirror delivers them.
    """
    place = search.place(data_dir)
    if place.named:
        return _named(known, place)
    return cached(known, place.folder, log)


def _named(known: KnownSet, place: search.Place) -> Loaded:
    """Everything from a folder the user named, or an error that says how to get out."""
    way_out = f"Put {known.listing()} into {place.folder / known.name}"
    if known.mirrors:
        way_out += f", or leave out {place.source} and npr will download them."
    else:
        way_out += f"; {known.way()}."
    if not (os.path.isdir(place.folder) and os.access(place.folder, os.R_OK | os.X_OK)):
        raise DataError(f"{place.source} names {place.folder}, which is not a folder that can be read. {way_out}")
    found = scan(known, place.folder)
    for fault in found.damaged.values():
        raise DataError(f"{place.source} names a folder with a damaged file. {fault} {way_out}")
    if found.missing:
        raise DataError(
            f"{place.source} names {place.folder}, which lacks {', '.join(found.missing)} (plain or .gz) "
            f"of the data set {known.name}. {way_out}"
        )
    return Loaded(found.content, place.source, search.home(place.folder, known))


def cached(known: KnownSet, root: Path, log: Log, must_keep: bool = False) -> Loaded:
    """Everything from below `root`, downloading there what is missing or damaged; errors as in `load`."""
    folder = search.home(root, known)
    found = scan(known, folder)
    if not found.missing and not found.damaged:
        return Loaded(found.content, search.CACHE, folder)
    if not known.mirrors:
        faults = "".join(f"{fault} " for fault in found.damaged.values())
        raise Unreachable(faults + _manual(known, folder, "it may not be handed on"))
    with store.lock(folder, log):
        found = scan(known, folder)
        try:
            _complete(known, folder, found, log, must_keep)
        except Unreachable as error:
            if not found.damaged:
                raise Unreachable(_manual(known, folder, str(error))) from error
            faults = " ".join(found.damaged.values())
            raise DataError(f"{faults} Replacing it failed. {_manual(known, folder, str(error))}") from error
    return Loaded(found.content, "download", folder)


def _complete(known: KnownSet, folder: Path, found: Scan, log: Log, must_keep: bool) -> None:
    """Download what `found` lacks, adding to its content."""
    mirrors = list(known.mirrors)
    for file in known.files:
        if file.name in found.content:
            continue
        if file.name in found.damaged:
            log(f"replacing a damaged file: {found.damaged[file.name]}")
        hosts = ", ".join(str(urlsplit(mirror).hostname) for mirror in mirrors)
        log(f"downloading {file.name} of {known.name} (mirrors: {hosts})")
        received = download.retrieve(file, mirrors)
        mirrors.remove(received.mirror)
        mirrors.insert(0, received.mirror)
        _keep(folder, file, received, log, must_keep)
        found.content[file.name] = received.content


def _keep(folder: Path, file: KnownFile, received: download.Received, log: Log, must_keep: bool) -> None:
    """Store a checked file under the name its container asks for, and drop what stood in its way."""
    packed = received.raw.startswith(contents.GZIP_MAGIC)
    try:
        kept = store.keep(folder, f"{file.name}.gz" if packed else file.name, received.raw)
        for other in (folder / file.name, folder / f"{file.name}.gz"):
            if other != kept:
                other.unlink(missing_ok=True)
    except OSError as error:
        problem = f"{folder} cannot keep {file.name} ({error.strerror or error})"
        if must_keep:
            raise DataError(f"{problem}. Name a folder that can be written with NPR_CACHE_DIR.") from error
        log(f"{problem}; it will be downloaded again next time. NPR_CACHE_DIR names another folder.")


def _manual(known: KnownSet, folder: Path, reasons: str) -> str:
    """What to do where the network cannot help."""
    return (
        f"{known.name} is not on this machine and cannot be downloaded ({reasons}). "
        f"On a machine with network access {known.way()} "
        f"and put them into {folder}, or into a folder named with {search.OPTION} or {search.VARIABLE}."
    )
