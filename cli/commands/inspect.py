"""Show where in time and in which unit the gradient lives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npr import registry
from npr_cli import options

if TYPE_CHECKING:
    from npr.training.inspecting import Place

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("run", type=options.Run(), required=False)
@click.option("--model", type=options.Name(registry.models), help="A model before training, instead of RUN.")
@click.option("--task", type=options.Name(registry.tasks), help="Its task.")
@click.option("--preset", help="Its named settings.  [default: laptop]")
@click.option("--hidden-size", type=options.SIZE, help="Its units per recurrent layer.")
@click.option("--layers", type=options.SIZE, help="Its recurrent layers.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of its initial values.")
@options.data_dir
@options.assignments
@click.option("--at", type=click.IntRange(min=0), metavar="STEP", help="A checkpoint of RUN.  [default: the newest]")
@click.option("--sequences", type=options.SIZE, default=16, show_default=True, help="Most sequences to look at.")
@click.option("--tail", type=options.SIZE, metavar="N", help="Loss of the last N steps only.  [default: as accuracy]")
@options.as_json
@click.option("--npz", type=_FILE, metavar="FILE", help="Write all arrays to an npz file.")
@click.option("--plot", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write figures there.")
@options.quiet
def command(run: str | None, at: int | None, sequences: int, tail: int | None, **values: Any) -> None:
    """Look at RUN, or at a model before training: gradient norms through time, spectra, saturation.

    Both are looked at on the first sequences held out for validation, without dropout and with the stored statistics
    of batch norm. RUN is a run folder or a number below ./runs. The loss is that of the steps which accuracy counts.
    """
    import numpy as np

    from npr.errors import StorageError
    from npr.inspect import thorough
    from npr.inspect.figures import prepared, require_matplotlib, save_figures
    from npr.inspect.plain import to_npz
    from npr.training.storage import Disk, replace_file
    from npr_cli import inspection_view

    as_json, npz, plot, quiet = (values.pop(key) for key in ("as_json", "npz", "plot", "quiet"))
    if plot:
        require_matplotlib()
        prepared(plot)
    if npz and not npz.resolve().parent.is_dir():
        raise StorageError(f"Cannot write '{npz}': there is no such folder. Make it, or choose another place.")
    place = _place(run, at, (sequences, tail or 0), values, quiet)
    # Overflow is a finding here, not an accident.
    with np.errstate(all="ignore"):
        found = thorough(place.subject)
    if npz:
        replace_file(Disk(), npz, to_npz(found))
    if plot:
        save_figures(found, plot, _title(place))
    if as_json:
        click.echo(json.dumps(_document(place, found), allow_nan=False))
        return
    steps, count = place.subject.x.shape[:2]
    click.echo(f"{_title(place)}: loss {float(found['loss'].values):.4g} on {count} sequences of {steps:,} steps")
    for line in inspection_view.lines(found):
        click.echo(line)


def _place(run: str | None, at: int | None, batch: tuple[int, int], values: dict[str, Any], quiet: bool) -> Place:
    """A run's checkpoint or a fresh model, whichever was asked for."""
    from npr.training.config import resolve
    from npr.training.inspecting import place_of_model, place_of_run
    from npr_cli.progress import Progress

    given = options.given(values, values.pop("assignments"))
    if (run is None) == ("model" not in given):
        raise click.UsageError("Give either a RUN or --model and --task.")
    with Progress(quiet) as events:
        if run is not None:
            others = sorted(given.keys() - {"data_dir"})
            if others:
                raise click.UsageError(f"{', '.join(others)}: a RUN brings its own configuration.")
            return place_of_run(run, at, *batch, events)
        if at is not None:
            raise click.UsageError("--at belongs to a RUN: a model before training has no steps.")
        return place_of_model(resolve(given), *batch, events)


def _title(place: Place) -> str:
    train, data = place.parts.train, place.parts.dataset.name
    where = f", {place.run}, step {place.step:,}" if place.run else ", before training"
    return f"{train.model} on {data}{where}"


def _document(place: Place, found: Any) -> dict[str, Any]:
    from npr.inspect.plain import to_json
    from npr.inspect.summary import summary
    from npr.json_values import finite

    steps, count = place.subject.x.shape[:2]
    return {
        "run": place.run,
        "model": place.parts.train.model,
        "task": place.parts.dataset.name,
        "step": place.step,
        "loss": finite(float(found["loss"].values)),
        "steps": steps,
        "sequences": count,
        "layers": finite(summary(found)),
        "series": to_json(found),
    }
