"""Tables of a page as HTML; every text that comes from a run is escaped."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from npr.compare.differences import differences
from npr.compare.record import Record

_SPLITS = ("train", "validation", "test")


def figures(records: Sequence[Record]) -> str:
    """Final figures: a row for each run, those without an end with their latest."""
    tables = [record.figures() for record in records]
    found = dict.fromkeys(name for table in tables for name in table)
    names = sorted(found, key=lambda name: _SPLITS.index(name.partition("_")[0]))
    head = ["run", "status", *(name.replace("_", " ") for name in names), "updates", "seconds"]
    rows = [
        [
            record.name,
            record.status(),
            *(_figure(name, table.get(name)) for name in names),
            f"{record.step:,}",
            "-" if record.seconds is None else f"{record.seconds:,.1f}",
        ]
        for record, table in zip(records, tables, strict=True)
    ]
    return _by_run(head, rows)


def configuration(records: Sequence[Record]) -> str:
    """A row for each key in which the runs differ, a column for each run; of a single run all keys."""
    configs = [{key: value for key, value in record.config.items() if key != "run_dir"} for record in records]
    found = differences(configs) if len(records) > 1 else {key: [value] for key, value in configs[0].items()}
    if not found:
        return "<p>The configurations are the same.</p>"
    head = "".join(f'<th scope="col" data-run="{place}">{escape(r.name)}</th>' for place, r in enumerate(records))
    body = "".join(
        _row(key, (f'<td data-run="{place}">{escape(plain(value))}</td>' for place, value in enumerate(values)))
        for key, values in found.items()
    )
    return _table(f'<th scope="col">key</th>{head}', body)


def provenance(records: Sequence[Record]) -> str:
    """Versions, machine, commit and data of each run."""
    tables = [{**record.about.get("provenance", {}), "data": record.task} for record in records]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    rows = [
        [record.name, *(plain(table.get(key)) for key in keys)] for record, table in zip(records, tables, strict=True)
    ]
    return _by_run(["run", *keys], rows)


def plain(value: Any) -> str:
    """A configuration value as a person reads it."""
    if value is None:
        return "-"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)


def _figure(name: str, value: object) -> str:
    if not isinstance(value, int | float):
        return "-"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    return f"{100 * value:.2f} %" if name.endswith("accuracy") else f"{value:.4g}"


def _by_run(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(
        _row(row[0], (f"<td>{escape(cell)}</td>" for cell in row[1:]), f' data-run="{place}"')
        for place, row in enumerate(rows)
    )
    return _table("".join(f'<th scope="col">{escape(name)}</th>' for name in head), body)


def _row(name: str, cells: Iterable[str], attributes: str = "") -> str:
    return f'<tr{attributes}><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>\n'


def _table(head: str, body: str) -> str:
    return (
        f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'
    )
