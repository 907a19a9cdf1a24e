"""A comparison of runs on stdout: a table for people, a document or rows for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from npr_cli import terminal

if TYPE_CHECKING:
    from npr.compare import Comparison, Estimate, Group

_GAP = 2


def show(found: Comparison) -> None:
    """Print a table, a block for each group where the terminal is too narrow for it; notes go to stderr."""
    head = ["runs", "seeds", *found.differing(), *found.measured()]
    body = [_cells(group, found) for group in found.groups]
    widths = [max(map(len, column)) + _GAP for column in zip(head, *body, strict=True)]
    click.echo(f"{found.task}: mean ± 95 % interval over seeds")
    if sys.stdout.isatty() and sum(widths) > shutil.get_terminal_size().columns:
        for row in body:
            click.echo()
            for name, cell in zip(head, row, strict=True):
                click.echo(f"{name:22}{cell}")
    else:
        for row in (head, *body):
            click.echo("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for note in found.notes:
        terminal.say(note, "note: ")


def document(found: Comparison) -> dict[str, Any]:
    """As plain JSON values; what is NaN or infinite is null."""
    return {
        "task": found.task,
        "differing": found.differing(),
        "groups": [
            {
                "settings": group.settings,
                "runs": [
                    {
                        "run": str(record.path),
                        "seed": record.config["seed"],
                        "in_progress": record.in_progress,
                        "unfinished": record.result is None,
                    }
                    for record in group.records
                ],
                "seeds": len(group.records),
                "figures": {name: _plain(value) for name, value in group.figures.items()},
            }
            for group in found.groups
        ],
        "notes": found.notes,
    }


def as_csv(found: Comparison) -> str:
    """One row for each group: its runs, settings, and two columns for each figure, the mean and its interval."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    figures = [column for name in found.measured() for column in (name, f"{name}_interval")]
    rows.writerow(["runs", "in_progress", "unfinished", "seeds", *found.differing(), *figures])
    for group in found.groups:
        names = " ".join(record.name for record in group.records)
        settings = [_setting(group.settings[key]) for key in found.differing()]
        estimates = [group.figures.get(name) for name in found.measured()]
        values = [value for each in estimates for value in ((each.mean, each.interval) if each else ("", ""))]
        state = _lower(group.in_progress), _lower(group.unfinished)
        rows.writerow([names, *state, len(group.records), *settings, *values])
    return text.getvalue()


def _cells(group: Group, found: Comparison) -> list[str]:
    """One row of the table; an asterisk marks runs without an end."""
    runs = " ".join(record.name + ("" if record.result else "*") for record in group.records)
    settings = [_setting(group.settings[key]) for key in found.differing()]
    figures = [_number(name, group.figures.get(name)) for name in found.measured()]
    return [runs, str(len(group.records)), *settings, *figures]


def _number(name: str, each: Estimate | None) -> str:
    """A mean and its interval, accuracies in percent as elsewhere."""
    if each is None:
        return "-"
    if math.isnan(each.mean):
        return "NaN"
    percent = name.endswith("accuracy")
    scale, digits = (
        (100, 2) if percent else (1, 0 if name in ("steps", "parameters") else 1 if name == "seconds" else 4)
    )
    text = f"{scale * each.mean:,.{digits}f}"
    # Updates and parameters that are the same in all runs have no spread to speak of.
    if each.interval is not None and (each.interval or digits):
        text += f" ± {scale * each.interval:,.{digits}f}"
    return f"{text} %" if percent else text


def _setting(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)


def _lower(value: bool) -> str:
    return str(value).lower()


def _plain(each: Estimate) -> dict[str, Any]:
    from npr.json_values import finite

    found: dict[str, Any] = finite(each._asdict())
    return found
