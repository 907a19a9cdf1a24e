"""What a run has stored about itself, finished or not: configuration, rows, result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from npr.errors import ConfigError, NprError, StorageError
from npr.training.metrics import Row, read_log
from npr.training.result import Result, labelled, read_result
from npr.training.run_folder import METRICS, RESULT, in_training, read_about, read_config
from npr.training.run_lookup import find_run
from npr.training.window import FIGURES

PathLike = str | os.PathLike[str]


class Record(NamedTuple):
    """One run as its folder describes it.

    Attributes
    ----------
    path : Path
        The run folder.
    name : str
        Its last part; more of the path where two runs would have the same name.
    task : str
        Name of the data, with "[synthetic]" after it where it is not the real one.
    config : dict
        The flat configuration.
    about : dict
        Tables "provenance", "dataset" and, for weights from a file, "imported".
    rows : list of dict
        Sound rows of metrics.jsonl.
    result : Result or None
        None for a run that has no end yet.
    in_progress : bool
        Whether a process is training it; without one and without a result it has stopped.
    warnings : tuple of str
        What in the folder could not be read.
    """

    path: Path
    name: str
    task: str
    config: dict[str, Any]
    about: dict[str, Any]
    rows: list[Row]
    result: Result | None
    in_progress: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """Updates known to be done."""
        return self.result.steps if self.result else int(self.rows[-1]["step"]) if self.rows else 0

    @property
    def seconds(self) -> float | None:
        """Training time, added up over resumes; None before the first row."""
        return self.result.seconds if self.result else self.rows[-1].get("seconds") if self.rows else None

    def status(self) -> str:
        """ "finished", or how far it is or has come."""
        if self.result:
            ended = {"max_time": "time limit", "schedule": "schedule"}.get(self.result.stopped)
            return f"finished, {self.step:,} updates" + (f" (ended by its {ended})" if ended else "")
        return f"{'in progress,' if self.in_progress else 'stopped at'} step {self.step:,} of {self._length()}"

    def figures(self) -> dict[str, float]:
        """Figures under the names "train_loss", "validation_accuracy", ...: final ones, or the latest so far."""
        if self.result:
            splits = {split: getattr(self.result, split) for split in ("train", "validation", "test")}
            return {name: value for split, table in splits.items() for name, value in labelled(split, table).items()}
        last = self.rows[-1] if self.rows else {}
        validated = next((row for row in reversed(self.rows) if any(map(_is_validation, row))), {})
        return {
            **{f"train_{key}": last[key] for key in FIGURES if key in last},
            **{key: value for key, value in validated.items() if _is_validation(key)},
        }

    def _length(self) -> str:
        """How many updates are wanted; in epochs while nobody has counted their updates."""
        steps, epochs = self.config["steps"], self.config["epochs"]
        if steps:
            return f"{steps:,}"
        if self.rows and self.rows[-1].get("epoch"):
            return f"{round(epochs * self.step / self.rows[-1]['epoch']):,}"
        return f"{epochs} epochs"


def read_records(runs: Sequence[PathLike]) -> list[Record]:
    """The records of runs, in the given order; a run that is named twice appears once.

    Parameters
    ----------
    runs : sequence of path
        Run folders, or their numbers or names below ./runs.

    Returns
    -------
    list of Record

    Raises
    ------
    ConfigError
        If one does not exist, is no run folder, or has no valid configuration.
    StorageError
        If its metrics cannot be read.
    """
    paths = list({path.resolve(): path for path in map(find_run, runs)}.values())
    return [read_record(path)._replace(name=name) for path, name in zip(paths, _names(paths), strict=True)]


def read_record(path: Path) -> Record:
    """The record of one run folder; raises as `read_records`."""
    try:
        config, about = read_config(path), read_about(path)
    except NprError as error:
        raise ConfigError(str(error) if str(path) in str(error) else f"'{path}': {error}") from error
    # Asked first: a run that ends in between has a result then.
    trains = in_training(path)
    rows, damaged = _rows(path / METRICS)
    result = read_result(path / RESULT)
    if result and rows and result.steps < rows[-1]["step"]:
        result = None
    warnings = (_lost(path / METRICS, damaged),) if damaged else ()
    task = str(about.get("dataset", {}).get("name") or (result.task if result else config.train.task))
    return Record(path, path.resolve().name, task, config.flat(), about, rows, result, trains and not result, warnings)


def _rows(path: Path) -> tuple[list[Row], int]:
    try:
        return read_log(path)
    except OSError as error:
        message = f"Cannot read '{path}': {error.strerror}. Check its permissions, or leave this run out."
        raise StorageError(message) from error


def _lost(path: Path, line: int) -> str:
    return (
        f"Line {line} of '{path}' is damaged: it and the rows after it are not shown. "
        f"Delete it to see them, or 'npr resume' the run, which writes them again."
    )


def _is_validation(name: str) -> bool:
    return name.startswith("validation_")


def _names(paths: Iterable[Path]) -> list[str]:
    """The shortest end of each path, of equal depth for all, that tells them apart."""
    parts = [path.resolve().parts for path in paths]
    depth = 1
    while len({each[-depth:] for each in parts}) < len(parts):
        depth += 1
    return ["/".join(each[-depth:]) for each in parts]
