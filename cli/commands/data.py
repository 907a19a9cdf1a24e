"""List, download and verify data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npr.errors import DataError
from npr_cli import options, terminal

if TYPE_CHECKING:
    from npr.data import SetState

_NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.group()
def command() -> None:
    """List, download and verify data sets."""


@command.command()
@options.data_dir
@options.as_json
def ls(data_dir: Path | None, as_json: bool) -> None:
    """List the data sets with the state of their files on this machine."""
    from npr.data import catalogue

    _show(catalogue(data_dir), as_json)


@command.command()
@_NAMES
@options.data_dir
@options.as_json
def fetch(names: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Download what is missing or damaged of the data sets NAME (default: all that may be downloaded)."""
    from npr.data import fetch as fetch_set
    from npr.data.known import SETS

    wanted = names or [name for name in _all() if SETS[name].mirrors]
    folders = {name: str(fetch_set(name, data_dir, terminal.say)) for name in wanted}
    if as_json:
        rows = [{"name": name, "folder": folder} for name, folder in folders.items()]
        click.echo(json.dumps(rows, indent=2))
    else:
        for name, folder in folders.items():
            click.echo(f"{name}: ok, in {folder}")


@command.command()
@_NAMES
@options.data_dir
@options.as_json
def verify(names: tuple[str, ...], data_dir: Path | None, as_json: bool) -> None:
    """Check sizes and hashes of the data sets NAME (default: those of which something is here).

    The exit code is 4 if a file is missing or damaged, or nothing is here at all.
    """
    from npr.data import verify as verify_set

    states = [verify_set(name, data_dir) for name in names or _all()]
    if not names:
        states = [state for state in states if any(file.path for file in state.files)] or states
    _show(states, as_json)
    bad = [f"{state.name} is {state.state} in {state.folder}" for state in states if state.state != "ok"]
    if bad:
        where = f" --data-dir {states[0].folder.parent}" if states[0].source != "cache" else ""
        raise DataError(f"{'; '.join(bad)}. 'npr data fetch{where}' downloads what is missing or damaged{_except()}.")


def _all() -> list[str]:
    from npr.data.known import SETS

    return sorted(SETS)


def _except() -> str:
    """The sets that no mirror holds, for a message."""
    from npr.data.known import SETS

    alone = [name for name in _all() if not SETS[name].mirrors]
    return f", except {', '.join(alone)}" if alone else ""


def _show(states: list[SetState], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_document(state) for state in states], indent=2, default=str))
        return
    for state in states:
        click.echo(f"{state.name}: {state.state}  {state.title}")
        click.echo(f"    folder {state.folder} (from {state.source}), licence {state.licence}")
        for file in state.files:
            click.echo(f"    {file.state:8}{file.name}  {file.detail}".rstrip())


def _document(state: SetState) -> dict[str, Any]:
    return {**state._asdict(), "files": [file._asdict() for file in state.files]}
