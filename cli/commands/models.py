"""List the models and their configuration keys."""

from __future__ import annotations

import click

from npr import registry
from npr_cli import listing, options


@click.command()
@options.as_json
def command(as_json: bool) -> None:
    """List the models and their configuration keys with defaults; change one with 'train --set KEY=VALUE'."""
    listing.show(listing.rows(registry.models), as_json)
