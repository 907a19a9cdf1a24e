"""Write a page about runs: curves, gradients, spectra."""

from __future__ import annotations

from pathlib import Path

import click

from npr_cli import options, terminal


@click.command()
@click.argument("runs", metavar="RUN...", type=options.Run(), nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The file; one that exists is replaced.",
)
def command(runs: tuple[str, ...], output: Path) -> None:
    """Write one self-contained HTML page about runs, finished or not.

    It shows curves, gradients through time, spectra, differences of configuration, versions, and the commands that
    train the runs again. It needs no network and opens from any folder. Needs plotly: pip install -e ".[html]".
    """
    from npr.report import write_report

    for message in write_report(runs, output):
        terminal.say(message, "note: ")
    click.echo(f"report: {output}")
