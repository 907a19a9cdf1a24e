"""What a run has stored about itself with `inspect_every`: `inspect/step-XXXXXXXX.safetensors`, a file for each time.

Parameters and state are in checkpoints; these files hold series, such as the norm of dL/dh_t at every step of a batch.
"""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path

import numpy as np

from npr.inspect.series import Found, Series
from npr.training.storage import Disk, read_file, replace_file
from npr.training.tensors import CheckpointError, encode, entries, layouts

FOLDER = "inspect"
_NAME = re.compile(r"step-(\d{8,})\.safetensors")
_MAX_BYTES = 1 << 28


def write_inspection(disk: Disk, run: Path, step: int, found: Found) -> Path:
    """Store the series of one step in float32; a file of that step is replaced.

    Raises
    ------
    OSError
        If it cannot be written; then the old content is still there.
    """
    folder = run / FOLDER
    if not folder.is_dir():
        disk.make_folder(folder)
    path = folder / f"step-{step:08d}.safetensors"
    axes = {name: list(series.axes) for name, series in found.items()}
    values = {name: series.values.astype(np.float32) for name, series in found.items()}
    replace_file(disk, path, encode(values, {"axes": json.dumps(axes)}))
    return path


def read_inspection(path: Path) -> dict[str, Series]:
    """The series of one file.

    Raises
    ------
    CheckpointError
        If it is damaged or no file of `write_inspection`; the message names it.
    OSError
        If it cannot be read.
    """
    data = read_file(path, _MAX_BYTES)
    try:
        table, start = entries(data)
        axes = json.loads(table.pop("__metadata__", {}).get("axes", ""))
        return {
            name: Series(np.frombuffer(data, "<f4", prod(where.shape), start + where.begin).reshape(where.shape), named)
            for name, where in layouts(table, len(data) - start, {"F32": 4}).items()
            if len(named := tuple(axes[name])) == len(where.shape)
        }
    except (CheckpointError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"'{path}' is damaged: {error}. Delete it; the run itself does not need it.") from error


def inspections(run: Path) -> dict[int, Path]:
    """The stored inspections of a run by step, in their order."""
    folder = run / FOLDER
    paths = folder.iterdir() if folder.is_dir() else iter(())
    return dict(sorted((int(match[1]), path) for path in paths if (match := _NAME.fullmatch(path.name))))


def cut_inspections(disk: Disk, run: Path, last_step: int) -> None:
    """Delete those of later steps: a resumed run makes them anew.

    Raises
    ------
    OSError
        If a file cannot be deleted.
    """
    for step, path in inspections(run).items():
        if step > last_step:
            disk.remove(path)
