"""What the plots of a page are drawn from, and what its reader must be told about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from npr.compare.record import Record
from npr.report.curves import curves
from npr.report.inspected import inspected

# Together these keep a page below 8 MB: points of all runs per curve, and 16-bit codes of all inspections.
_POINTS, _CODES = 9000, 800_000
_WIDE, _NARROW = 900, 100


class Document(NamedTuple):
    """The numbers of a page.

    Attributes
    ----------
    runs : list of dict
        Per run "name", "curves" and "inspections", as plain JSON values.
    messages : list of str
        What is missing, damaged or left out.
    """

    runs: list[dict[str, Any]]
    messages: list[str]


def document(records: Sequence[Record]) -> Document:
    """Read what the folders of some runs hold beside their records."""
    points = max(_NARROW, min(_WIDE, _POINTS // len(records)))
    runs, messages = [], _of_several_tasks(records)
    for record in records:
        drawn = curves(record.rows, points)
        seen = inspected(record.path, _CODES // len(records))
        runs.append({"name": record.name, "curves": drawn.found, "inspections": seen.found})
        told = [*record.warnings, *seen.messages]
        if not record.rows:
            told.append("No row of metrics.jsonl yet: there are no curves.")
        if drawn.gaps:
            told.append(
                f"{drawn.gaps:,} values of its metrics are NaN, infinite or no numbers: they are shown as gaps."
            )
        if drawn.thinned:
            told.append(f"Curves are thinned to about {points} points; every peak and every dip is kept.")
        if not seen.found:
            told.append("No inspections are stored: train with --inspect-every N to see its gradients and spectra.")
        messages += [f"{record.name}: {line}" for line in told]
    return Document(runs, messages)


def _of_several_tasks(records: Sequence[Record]) -> list[str]:
    tasks: dict[str, list[str]] = {}
    for record in records:
        tasks.setdefault(record.task, []).append(record.name)
    if len(tasks) == 1:
        return []
    named = "; ".join(f"{task}: {', '.join(names)}" for task, names in tasks.items())
    return [f"The runs are of different tasks ({named}): losses and accuracies do not mean the same in all of them."]
