"""Measure a trained run on one split of its data."""

from __future__ import annotations

from typing import Any

import click

from npr_cli import options


@click.command()
@click.argument("run", type=options.Run())
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Examples to measure on.",
)
@click.option(
    "--norm",
    type=click.Choice(["running", "batch", "both"]),
    help="Statistics of batch normalisation.  [default: as in the run]",
)
@options.device
@options.as_json
@options.quiet
def command(run: str, split: str, norm: str | None, as_json: bool, quiet: bool, **changes: Any) -> None:
    """Measure RUN on one split: the state with its best validation.

    RUN is a run folder, a number below ./runs, or the folder of one checkpoint, which is measured as it is.
    """
    from npr.training import Result, evaluate
    from npr_cli import outcome
    from npr_cli.progress import Progress

    with Progress(quiet) as events:
        document = evaluate(run, split, norm, events, changes=options.given(changes))
    outcome.show(Result(**document), as_json)
