"""Runs that repeat one experiment with other seeds, and what they found together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from npr.compare.differences import SEEDS, differences, setting
from npr.compare.figures import COSTS, cautions, estimates
from npr.compare.record import PathLike, Record, read_records
from npr.compare.statistics import Estimate
from npr.errors import ConfigError


class Group(NamedTuple):
    """Repetitions of one experiment.

    Attributes
    ----------
    settings : dict
        Values of the configuration keys in which the compared groups differ.
    records : list of Record
        Its runs, each with a seed of its own.
    figures : dict of str to Estimate
        "train_loss", "validation_accuracy", "test_loss", ..., then "steps", "seconds" and "parameters".
    """

    settings: dict[str, Any]
    records: list[Record]
    figures: dict[str, Estimate]

    @property
    def in_progress(self) -> bool:
        """Whether some of its runs are being trained."""
        return any(record.in_progress for record in self.records)

    @property
    def unfinished(self) -> bool:
        """Whether some of its figures are not final."""
        return any(record.result is None for record in self.records)


class Comparison(NamedTuple):
    """Groups of runs of one task, and what a reader should know about them."""

    task: str
    groups: list[Group]
    notes: list[str]

    def differing(self) -> list[str]:
        """The configuration keys in which the groups differ."""
        return list(self.groups[0].settings)

    def measured(self) -> list[str]:
        """The figures that any group has: by split, costs last."""
        found = dict.fromkeys(name for group in self.groups for name in group.figures)
        order = ("train", "validation", "test")
        measured = sorted((n for n in found if n not in COSTS), key=lambda name: order.index(name.partition("_")[0]))
        return [*measured, *(name for name in COSTS if name in found)]


def compare(runs: Sequence[PathLike]) -> Comparison:
    """Compare runs of one task; those that differ only in their seed count as repetitions.

    Parameters
    ----------
    runs : sequence of path
        Run folders, or their numbers or names below ./runs. Of a run without an end the latest rows count.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        If they are of several tasks, or one does not exist or is no run folder.
    StorageError
        If the metrics of one cannot be read.
    """
    records = read_records(runs)
    tasks = {record.task: record.name for record in records}
    if len(tasks) > 1:
        named = ", ".join(f"{task} ({name})" for task, name in tasks.items())
        raise ConfigError(f"These runs are of different tasks: {named}. Compare the runs of one task at a time.")
    notes = [warning for record in records for warning in record.warnings]
    alike = _alike(records)
    differing = _telling(differences([setting(members[0].config) for members in alike]))
    groups = []
    for place, members in enumerate(alike):
        repetitions, repeated = _one_per_seed(members)
        notes += repeated
        settings = {key: values[place] for key, values in differing.items()}
        groups.append(Group(settings, repetitions, estimates(repetitions)))
    notes += [note for group in groups for note in cautions(group.records, group.figures)]
    return Comparison(records[0].task, groups, notes)


def ordered(comparison: Comparison, key: str) -> Comparison:
    """The same with its best group first.

    Parameters
    ----------
    comparison : Comparison
        From `compare`.
    key : str
        A figure (ascending, but accuracies from the highest) or a configuration key in which the groups differ.

    Raises
    ------
    ConfigError
        If there is no such figure or key; the message lists them.
    """
    known = [*comparison.measured(), *comparison.differing()]
    if key not in known:
        raise ConfigError(f"Cannot sort by '{key}'. Available: {', '.join(known)}.")
    return comparison._replace(groups=sorted(comparison.groups, key=lambda group: _rank(group, key)))


def _rank(group: Group, key: str) -> tuple[int, float, str]:
    """Place of a group: numbers first, then texts, then what is missing or NaN."""
    found = group.figures[key].mean if key in group.figures else group.settings.get(key)
    if found is None or found != found:
        return 2, 0.0, ""
    if isinstance(found, int | float):
        return 0, -found if key.endswith("accuracy") else float(found), ""
    return 1, 0.0, json.dumps(found)


def _telling(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Differences without the options that follow from another choice, such as those that only one model has."""
    own = {key: values for key, values in found.items() if len({json.dumps(v) for v in values if v is not None}) > 1}
    rows = {json.dumps(row) for row in zip(*own.values(), strict=True)}
    complete = len(rows) == max((len(values) for values in found.values()), default=0)
    return own if complete else found


def _alike(records: Iterable[Record]) -> list[list[Record]]:
    """Records sorted into groups of equal settings, in the order of their first members."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(json.dumps(setting(record.config), sort_keys=True), []).append(record)
    return list(found.values())


def _one_per_seed(records: list[Record]) -> tuple[list[Record], list[str]]:
    """One record for each seed, the longest, since a repetition of the same bits is no second sample."""
    kept: dict[tuple[Any, ...], Record] = {}
    notes = []
    for record in records:
        seeds = tuple(record.config.get(key) for key in SEEDS)
        rival = kept.setdefault(seeds, record)
        if rival is record:
            continue
        kept[seeds], left = (record, rival) if record.step > rival.step else (rival, record)
        notes.append(f"{left.name} has the settings and seed of {kept[seeds].name}: it is no other sample, left out.")
    return list(kept.values()), notes
