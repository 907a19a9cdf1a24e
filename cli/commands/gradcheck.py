"""Check a model's hand-written gradients against finite differences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from npr import registry
from npr.errors import CheckFailed
from npr_cli import options, terminal

if TYPE_CHECKING:
    from npr.gradcheck import Report

_WAITING = "checking; kernels for float64 are compiled once per machine, for up to a minute"


@click.command()
@click.option("--model", type=options.Name(registry.models), required=True, help="Model to check.")
@click.option("--layers", type=options.SIZE, help="Recurrent layers.")
@click.option("--hidden-size", type=options.SIZE, help="Units per recurrent layer.")
@click.option("--activation", help="Activation of the recurrent layers.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option("--directional", is_flag=True, help="One random direction per tensor only, not every entry.")
@options.assignments
@options.as_json
def command(model: str, seed: int, directional: bool, as_json: bool, **values: Any) -> None:
    """Check the gradients of all parameters, of the input and of the initial state, in float64.

    Every case of a fixed list (layers, batch, length, mask, carried state) is compared with central
    differences; options given here hold in every case. The exit code is 7 if a relative error is above 1e-6.
    """
    from npr.gradcheck import TOLERANCE, check
    from npr_cli.progress import PATIENCE

    assignments = values.pop("assignments")
    waiting = terminal.say_later(_WAITING, PATIENCE)
    try:
        report = check(model, options.given(values, assignments), seed=seed, entries=not directional)
    finally:
        waiting.cancel()
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    if not report.passed:
        worst = max(report.parameters, key=lambda entry: entry.rel_error)
        raise CheckFailed(
            f"Gradient of '{worst.name}' in {model} is off by {worst.rel_error:.1e} relative to its size; "
            f"the tolerance is {TOLERANCE:.0e}."
        )


def _show(report: Report) -> None:
    width = max(len(entry.name) for entry in report.parameters)
    click.echo(f"{'parameter':{width}}  relative error  shape")
    for entry in report.parameters:
        click.echo(f"{entry.name:{width}}  {entry.rel_error:14.1e}  {' x '.join(map(str, entry.shape))}")
    verdict = f"{report.model} {'passed' if report.passed else 'FAILED'}"
    click.echo(f"{verdict}: {len(report.cases)} cases, largest error {report.max_rel_error:.1e}")
