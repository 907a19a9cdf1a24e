"""Train a model on a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npr import registry
from npr_cli import options, terminal

if TYPE_CHECKING:
    from npr.training.config import Config


@click.command()
@options.training
@options.assignments
@options.config_file
@click.option("--dry-run", is_flag=True, help="Show configuration and cost, train and write nothing.")
@options.as_json
@options.verbosity
def command(assignments: options.Assignments, config_file: Path | None, dry_run: bool, **values: Any) -> None:
    """Train a model on a task and evaluate it on the test data at the end.

    Values come from the options here, then from --config, then from the preset of the model and task, then
    from the defaults. Results go to stdout, progress to stderr; Ctrl-C finishes the update, saves and stops.
    """
    from npr.training.config import resolve

    as_json, quiet, verbose = (values.pop(key) for key in ("as_json", "quiet", "verbose"))
    config = resolve(options.given(values, assignments), config_file)
    if dry_run:
        _show_plan(config, as_json)
        return
    from npr.training import fit
    from npr_cli import outcome, session

    result = session.watch(lambda events: fit(config, events), quiet, verbose)
    outcome.show(result, as_json)


def _show_plan(config: Config, as_json: bool) -> None:
    """Print every key with the origin of its value, and what the run will cost."""
    from npr.tasks.fresh import EPOCH
    from npr_cli.estimate import estimate
    from npr_cli.progress import FRESH, clock

    for note in config.notes:
        terminal.say(note)
    cost = estimate(config)
    keys = {key: {"value": value, "origin": config.origin[key]} for key, value in config.flat().items()}
    if as_json:
        click.echo(json.dumps({"config": keys, "estimate": cost.to_dict()}, indent=2))
        return
    for key, entry in keys.items():
        setting = f"{key} = {json.dumps(entry['value'])}"
        click.echo(f"{setting:40}  # {entry['origin']}")
    click.echo(f"parameters: {cost.parameters:,}")
    if not registry.tasks.get(config.train.task).sets:
        click.echo(f"data: {FRESH}, {config.train.updates_per_epoch or EPOCH:,} updates count as an epoch")
    click.echo(f"memory: {cost.memory_bytes / 1e6:,.0f} MB for one update, data and libraries on top")
    each = f"{cost.seconds_per_update:.3g} s per update on this machine"
    if cost.total_steps is None:
        click.echo(f"time: {each}; their number depends on data that is not here yet")
    else:
        total = clock(cost.total_steps * cost.seconds_per_update)
        click.echo(f"time: {total} for {cost.total_steps:,} updates, {each}, validations on top")
