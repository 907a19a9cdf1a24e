"""Compare the final figures of runs, over seeds."""

from __future__ import annotations

import json

import click

from npr_cli import options


@click.command()
@click.argument("runs", metavar="RUN...", type=options.Run(), nargs=-1, required=True)
@click.option("--sort", metavar="KEY", help="Best group first, by a figure or a key in which the groups differ.")
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as comma-separated values.")
def command(runs: tuple[str, ...], sort: str | None, as_json: bool, as_csv: bool) -> None:
    """Compare runs of one task: a row for each group of runs that differ only in their seed.

    Columns name the configuration keys in which the groups differ, then each figure with its mean and the 95 %
    interval (Student's t) over seeds. Of runs in progress or stopped, marked with *, the latest rows count.
    """
    if as_json and as_csv:
        raise click.UsageError("Give either --json or --csv, not both.")
    from npr.compare import compare, ordered
    from npr_cli import comparison

    found = compare(runs)
    if sort:
        found = ordered(found, sort)
    if as_json:
        click.echo(json.dumps(comparison.document(found), indent=2))
    elif as_csv:
        click.echo(comparison.as_csv(found), nl=False)
    else:
        comparison.show(found)
