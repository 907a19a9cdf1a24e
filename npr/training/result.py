"""The outcome of a run or of an evaluation, one JSON document of stable shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from npr.errors import StorageError
from npr.training.storage import Disk, read_file, replace_file

_MAX_BYTES = 1 << 20
Figures = dict[str, float]


class Result(NamedTuple):
    """What came out.

    Attributes
    ----------
    run : str
        The run folder.
    model, task : str
        Names; the task with "[synthetic]" after it where the data is not the real one.
    steps : int
        Updates done.
    best_step : int
        Step whose parameters were evaluated: the best validation, or the last where nothing was held out.
    seconds : float
        The run's own training time, added up over resumes.
    norm : str
        Statistics of batch norm in evaluation: "running", "batch" or "both"; "" where there is no batch norm.
    stopped : str
        Why training ended: "steps", "max_time", "schedule", or "" for an evaluation of a run in progress.
    train, validation, test : dict
        Figures per split: "loss", "bpc" (bits per character) for a text, "accuracy" (0..1) where there are classes
        or bits, "bit_accuracy" of single bits; with "both" also "batch_loss" and so on. Those of training are the
        means since the last row of metrics.
    baseline : dict or None
        "name" and "loss" of what can be had without memory; None where the task does not know.
    """

    run: str
    model: str
    task: str
    steps: int
    best_step: int
    seconds: float
    norm: str
    stopped: str
    train: Figures
    validation: Figures
    test: Figures
    baseline: dict[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """As plain JSON values."""
        return self._asdict()


def write_result(disk: Disk, path: Path, result: Result) -> None:
    """Store a result.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    replace_file(disk, path, json.dumps(result.document(), indent=1, allow_nan=False).encode() + b"\n")


def read_result(path: Path) -> Result | None:
    """A stored result; None if there is none that can be read."""
    try:
        return Result(**json.loads(read_file(path, _MAX_BYTES)))
    except (OSError, StorageError, ValueError, TypeError, RecursionError):
        return None


def labelled(split: str, figures: Figures) -> Figures:
    """Figures of a split under the names they have in metrics.jsonl."""
    return {f"{split}_{key}": value for key, value in figures.items()}
