"""List the presets with the source of each number."""

from __future__ import annotations

import json
from typing import Any

import click

from npr import registry
from npr_cli import options


@click.command()
@click.option("--model", type=options.Name(registry.models), help="Only those of this model.")
@click.option("--task", type=options.Name(registry.tasks), help="Only those of this task.")
@options.as_json
def command(model: str | None, task: str | None, as_json: bool) -> None:
    """List the presets of every model and task: each value with its source or reason."""
    from npr.training.presets import PRESETS

    found: list[dict[str, Any]] = [
        {"model": at[0], "task": at[1], "name": name, "options": _explained(table)}
        for at, presets in sorted(PRESETS.items())
        for name, table in sorted(presets.items())
        if model in (None, at[0]) and task in (None, at[1])
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for row in found:
        click.echo(f"{row['name']}: {row['model']} on {row['task']}")
        for key, entry in row["options"].items():
            setting = f"{key} = {json.dumps(entry['value'])}"
            click.echo(f"    {setting:32}  # {entry['source']}")


def _explained(table: dict[str, tuple[Any, str]]) -> dict[str, Any]:
    return {key: {"value": value, "source": source} for key, (value, source) in table.items()}
