"""Go on with a run that was stopped, or make it longer."""

from __future__ import annotations

from typing import Any

import click

from npr_cli import options


@click.command()
@click.argument("run", type=options.Run())
@options.length
@options.as_json
@options.verbosity
def command(run: str, as_json: bool, quiet: bool, verbose: bool, **changes: Any) -> None:
    """Go on with RUN, a folder or a number below ./runs, from its newest sound checkpoint.

    The result has the same bits as that of a run that was never stopped.
    """
    from npr.training import resume
    from npr_cli import outcome, session

    chosen = options.given(changes)
    result = session.watch(lambda events: resume(run, chosen, events), quiet, verbose)
    outcome.show(result, as_json)
