"""Lists of registered things, as text for people and as JSON for programs."""

from __future__ import annotations

import inspect
import json
from typing import Any

import click

from npr.registry import Registry

Row = dict[str, Any]


def rows(registry: Registry) -> list[Row]:
    """Name, summary and configuration keys with their defaults, of every entry."""
    return [_row(name, registry.get(name), registry.kind) for name in registry.names()]


def _row(name: str, entry: Any, kind: str) -> Row:
    from npr.training.options import options, plain

    summary = (inspect.getdoc(entry) or "").partition("\n")[0]
    defaults = {key: plain(option.default) for key, option in options(entry, kind).items()}
    return {"name": name, "summary": summary, "options": defaults}


def show(found: list[Row], as_json: bool) -> None:
    """Print `rows` with one line for each entry and its keys, and the baseline of a task, indented below."""
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        click.echo(f"{row['name']}: {row['summary']}")
        keys = (f"{key}={value}" for key, value in row["options"].items() if value is not None)
        click.echo(click.wrap_text("  ".join(keys), 100, "    ", "    "))
        if row.get("baseline"):
            click.echo(f"    baseline: loss {row['baseline']['loss']:.4f} ({row['baseline']['name']})")
