"""A page about runs: curves, gradients through time, spectra, differences, provenance.

from npr.report import write_report

write_report(["1", "2"], "report.html")
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from npr.compare.record import PathLike, read_records
from npr.errors import StorageError
from npr.report.render import render
from npr.training.storage import Disk, replace_file

__all__ = ["render", "write_report"]


def write_report(runs: Sequence[PathLike], path: PathLike, disk: Disk | None = None) -> list[str]:
    """Write one self-contained HTML page about runs, finished or not; a file of that name is replaced.

    Parameters
    ----------
    runs : sequence of path
        Run folders, or their numbers or names below ./runs.
    path : path
        The file.
    disk : Disk
        Access to the file system.

    Returns
    -------
    list of str
        What is missing, damaged or left out; the page says it too.

    Raises
    ------
    ConfigError
        If a run does not exist or is no run folder, or if plotly is not installed.
    StorageError
        If metrics cannot be read or the page cannot be written; an old page is then still there.
    """
    page = render(read_records(runs))
    try:
        replace_file(disk or Disk(), Path(path), page.text.encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"Cannot write '{path}': {reason}. Free space or choose another file with -o.") from error
    return page.messages
