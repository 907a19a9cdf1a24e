"""List and verify the checkpoints of a run; import and export weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from npr import registry
from npr.errors import StorageError
from npr_cli import options, terminal

Row = dict[str, Any]


@click.group()
def command() -> None:
    """List and verify the checkpoints of a run; import and export weights."""


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


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", type=options.Name(registry.models), required=True, help="Model that the weights are of.")
@click.option("--task", type=options.Name(registry.tasks), required=True, help="Task to measure or train it on.")
@click.option("--run-dir", type=click.Path(path_type=Path), help="The run folder.  [default: a new one below ./runs]")
@options.data_dir
@options.assignments
@options.as_json
def import_weights(file: Path, assignments: options.Assignments, as_json: bool, **values: Any) -> None:
    """Make a run from the weights in FILE, for 'npr eval', 'npr resume' and 'npr ckpt export'.

    FILE is a state dict of torch.save (of any age), a safetensors or an npz file; no code in it is run. Sizes
    come from the file. A file that is damaged gives exit code 4, one that does not fit the model or task 3.
    """
    from npr.interop import import_run
    from npr_cli.outcome import label

    done = import_run(file, options.given(values, assignments), terminal.say)
    if as_json:
        click.echo(json.dumps(done._asdict(), indent=2))
        return
    click.echo(f"{done.parameters:,} parameters of {done.model} from {done.layout}")
    click.echo(f"run folder: {done.run}")
    click.echo(f"measure with: npr eval {label(Path(done.run))}")


@command.command()
@click.argument("run", type=options.Run())
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--last", is_flag=True, help="The newest state instead of the one with the best validation.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@options.as_json
def export(run: str, file: Path, last: bool, force: bool, as_json: bool) -> None:
    """Write the weights of RUN to FILE.safetensors.

    RUN is a run folder, a number below ./runs, or the folder of one checkpoint. Where torch has the same network
    the tensors have torch's names and shapes, else npr's; the file's metadata says which.
    """
    from npr.interop import export_run

    done = export_run(run, file, last, force, terminal.say)
    if as_json:
        click.echo(json.dumps(done._asdict(), indent=2))
        return
    click.echo(f"{done.tensors} tensors of {done.model} after {done.step:,} updates, as {done.convention}")
    click.echo(f"{done.file}: {done.bytes:,} bytes")


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
