"""The result of a run on stdout: a summary for people, a document for programs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from npr_cli.progress import clock

if TYPE_CHECKING:
    from npr.training.result import Figures, Result


def show(result: Result, as_json: bool) -> None:
    """Print `result`; the summary ends with the folder and with how to go on."""
    if as_json:
        click.echo(json.dumps(result.document(), indent=2))
        return
    norm = f", {result.norm} statistics" if result.norm else ""
    click.echo(f"{result.model} on {result.task}{norm}, step {result.best_step:,}")
    for split in ("train", "validation", "test"):
        figures = getattr(result, split)
        if figures:
            click.echo(f"  {split:11}{text(figures)}")
    if result.baseline:
        click.echo(f"  {'baseline':11}loss {result.baseline['loss']:.4f}  ({result.baseline['name']})")
    ended = f", ended by {result.stopped}" if result.stopped not in ("", "steps") else ""
    click.echo(f"{result.steps:,} updates in {clock(result.seconds)}{ended}")
    click.echo(f"run folder: {result.run}")
    click.echo(f"resume with: npr resume {label(Path(result.run))}{_longer(result)}")


def _longer(result: Result) -> str:
    """What a run that reached its limit needs in order to go on."""
    if result.stopped == "steps":
        return f" --steps {2 * result.steps}"
    return f" --max-time {round(2 * result.seconds) + 1}s" if result.stopped == "max_time" else ""


def text(figures: Figures) -> str:
    """Figures of one split, accuracies in percent."""
    return "  ".join(
        f"{name} {100 * value:.2f} %" if name.endswith("accuracy") else f"{name} {value:.4f}"
        for name, value in figures.items()
    )


def label(run: Path) -> str:
    """The shortest RUN argument that means this folder."""
    number = run.name.partition("-")[0]
    numbered = number.isdigit() and run.parent.resolve() == Path("runs").resolve()
    return number if numbered else shlex.quote(str(run))
