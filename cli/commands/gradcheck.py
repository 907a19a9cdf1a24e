"""Check a model's hand-written gradients against finite differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npr import registry
from npr.errors import CheckFailed
from npr_cli import options, terminal

if TYPE_CHECKING:
    from npr.gradcheck import Checked, Report

_WAITING = "checking; kernels for float64 are compiled once per machine, for up to a minute"
_SIDES = "<><<>><"


@click.command()
@click.option("--model", type=options.Name(registry.models), required=True, help="Model to check.")
@click.option("--layers", type=options.SIZE, help="Recurrent layers.")
@click.option("--hidden-size", type=options.SIZE, help="Units per recurrent layer.")
@click.option("--activation", help="Activation of the recurrent layers.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option("--device", type=options.DEVICE, default="cpu", show_default=True, help="Where both passes run.")
@click.option("--directional", is_flag=True, help="One random direction per tensor only, not every entry.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the errors to this .png or .svg file."
)
@options.assignments
@options.as_json
def command(model: str, seed: int, directional: bool, plot: Path | None, as_json: bool, **values: Any) -> None:
    """Check the gradients of all parameters, of the input and of the initial state, in float64.

    Every case of a fixed list (layers, batch, length, mask, carried state) is compared with central
    differences; options given here hold in every case. The table names the worst entry of each tensor and both
    of its values, the chart shows all cases. The exit code is 7 if a relative error is above 1e-6.
    """
    from npr.gradcheck import check
    from npr.gradcheck_plot import draw, ready
    from npr_cli.progress import PATIENCE

    assignments, device = values.pop("assignments"), values.pop("device")
    if plot:
        ready(plot)
    waiting = terminal.say_later(_WAITING, PATIENCE)
    try:
        chosen = options.given(values, assignments)
        report = check(model, chosen, seed=seed, entries=not directional, device=device)
    finally:
        waiting.cancel()
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _show(report)
    if plot:
        draw(report, plot)
    if not report.passed:
        raise CheckFailed(report.fault)


def _show(report: Report) -> None:
    header = ("parameter", "relative error", "shape", "entry", "analytic", "numeric", "case")
    rows = [header, *map(_row, report.parameters)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, _SIDES, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
    verdict = f"{report.subject} {'passed' if report.passed else 'FAILED'}"
    click.echo(f"{verdict}: {len(report.cases)} cases, largest error {report.max_rel_error:.1e}")


def _row(checked: Checked) -> tuple[str, ...]:
    shape = " x ".join(map(str, checked.shape))
    values = f"{checked.analytic:.9g}", f"{checked.numeric:.9g}"
    return checked.name, f"{checked.rel_error:.1e}", shape, checked.entry, *values, checked.case
