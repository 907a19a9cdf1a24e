"""List and verify the checkpoints of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from npr.errors import StorageError
from npr_cli import options

Row = dict[str, Any]


@click.group()
def command() -> None:
    """List and verify the checkpoints of a run."""


@command.command()
@click.argument("run", type=options.Run())
@options.as_json
def ls(run: str, as_json: bool) -> None:
    """List the checkpoints of RUN, newest first, as their manifests describe them."""
    from npr.training.checkpoint import read_manifest

    def describe(path: Path) -> Row:
        found = read_manifest(path)
        return {"bytes": found.size, "tensors": len(found.tensors)}

    _show(_rows(run, describe), as_json)


@command.command()
@click.argument("run", type=options.Run())
@options.as_json
def verify(run: str, as_json: bool) -> None:
    """Read every byte of the checkpoints of RUN and compare it with its hash.

    The exit code is 5 if one is damaged.
    """
    from npr.training.checkpoint import load

    def check(path: Path) -> Row:
        tensors = load(path).tensors
        return {"bytes": sum(array.nbytes for array in tensors.values()), "tensors": len(tensors)}

    rows = _rows(run, check)
    _show(rows, as_json)
    bad = [row for row in rows if row["state"] != "ok"]
    if bad:
        sound = "'npr resume' goes on from the newest sound one" if len(bad) < len(rows) else "none is sound"
        raise StorageError(f"{len(bad)} of {len(rows)} checkpoints cannot be used; {sound}.")


def _rows(run: str, describe: Callable[[Path], Row]) -> list[Row]:
    """One row for each checkpoint of a run."""
    from npr.training import find_run
    from npr.training.history import Checkpoints

    folder = find_run(run)
    paths = Checkpoints(folder).paths()
    if not paths:
        raise StorageError(f"'{folder}' holds no checkpoints.")
    return [_row(path, describe) for path in paths]


def _row(path: Path, describe: Callable[[Path], Row]) -> Row:
    from npr.training.checkpoint import step_of

    row: Row = {"step": step_of(path), "path": str(path)}
    try:
        return {**row, "state": "ok", **describe(path)}
    except StorageError as error:
        return {**row, "state": "damaged", "detail": str(error)}


def _show(rows: list[Row], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        size = f"{row['bytes']:,} bytes, {row['tensors']} tensors" if "bytes" in row else row["detail"]
        click.echo(f"{row['state']:8}{row['path']}  {size}")
