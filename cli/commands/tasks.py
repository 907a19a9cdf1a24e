"""List the tasks and their configuration keys."""

from __future__ import annotations

import click

from npr import registry
from npr_cli import listing, options


@click.command()
@options.as_json
def command(as_json: bool) -> None:
    """List the tasks and their configuration keys with defaults; change one with 'train --set KEY=VALUE'."""
    found = listing.rows(registry.tasks)
    for row in found:
        baseline = registry.tasks.get(row["name"])().baseline
        row["baseline"] = baseline._asdict() if baseline else None
    listing.show(found, as_json)
