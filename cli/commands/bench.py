"""Time npr against PyTorch and JAX on fixed cases."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from npr.errors import CheckFailed
from npr_cli import options, terminal

if TYPE_CHECKING:
    from npr.bench.problem import Case

Asked = list[tuple[str, Any]]

_COUNT = click.IntRange(min=0)


@click.command()
@click.option("--case", "patterns", metavar="PATTERN", multiple=True, help="Name, family or pattern.  (repeatable)")
@click.option("--list", "listing", is_flag=True, help="Show the cases and run nothing.")
@click.option("--rounds", type=_COUNT, default=3, show_default=True, help="Turns of every library; 0: agreement only.")
@click.option("--repeats", type=options.SIZE, default=5, show_default=True, help="Timed steps of each turn.")
@click.option("--device", type=options.DEVICE, default="cpu", show_default=True, help="Where all of them compute.")
@click.option("--threads", type=options.SIZE, help="CPU threads of every library.  [default: all cores]")
@click.option("--seed", type=_COUNT, default=0, show_default=True, help="Seed of weights, inputs and targets.")
@click.option("--tolerance", type=options.POSITIVE, help="Of agreement in float32, instead of each case's own.")
@click.option("--alone", is_flag=True, help="Leave the peers out.")
@click.option("--tiny", is_flag=True, help="The whole path at sizes whose figures mean nothing.")
@click.option("--goals", is_flag=True, help="Exit with 7 also if a goal is missed.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the JSON document, too.")
@options.as_json
@options.quiet
def command(
    patterns: tuple[str, ...],
    listing: bool,
    tiny: bool,
    device: str,
    output: Path | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Time training steps of npr, PyTorch and JAX, each in a process of its own, in turns.

    Loss, output and all gradients are compared before any clock starts; if they differ by more than a case's
    tolerance, the exit code is 7. GFLOP/s count matrix products only; "of FMA" is their share of what the tile product
    reaches on this machine in the same run. GB/s are those of cases without a product, "of triad" their share of the
    bandwidth of memory. Peak MB are the largest resident set of a worker process, its library
    included. Without torch and jax npr is timed alone: pip install -e ".[bench]".

    On a device there are other cases, and the peer is PyTorch: cuDNN in full float32 and with TF32, loops over time
    step by step and as one CUDA graph. "of fp32" and "of copy" are shares of a product's rate and of the bandwidth of
    copying; MB are those of the device. JAX is a peer on the CPU only.
    """
    from npr.bench.run import chosen

    cases = chosen(patterns, tiny, device)
    if listing:
        _list(cases, as_json)
    else:
        asked = [("case", pattern) for pattern in patterns] + [("tiny", tiny)]
        _run(cases, output, as_json, asked, device=device, **values)


def _run(
    cases: list[Case], output: Path | None, as_json: bool, asked: Asked, goals: bool, quiet: bool, **settings: Any
) -> None:
    from npr.bench import document, machine, summary
    from npr.bench.measure import Settings
    from npr.bench.run import bench
    from npr.bench.table import table

    if output:
        document.ready(output)
    settings["threads"] = settings["threads"] or machine.cores()
    say = (lambda line: None) if quiet else terminal.say
    asked += [option for option in settings.items() if option != ("device", "cpu")]
    for result in bench(cases, Settings(**settings), say, _arguments(asked)):
        if output:
            document.write(output, result)
    if as_json:
        click.echo(document.text(result))
    elif result["rounds"]:
        click.echo(table(result))
    else:
        click.echo(f"Cases that agree: {len(cases)}; nothing was timed.")
    missed = summary.missed(result) if goals and result["rounds"] else []
    if missed:
        raise CheckFailed("Goals missed: " + "; ".join(missed))


def _arguments(asked: Asked) -> list[str]:
    """Options that ask for the same again."""
    words = [[f"--{name}"] if value is True else [f"--{name}", str(value)] for name, value in asked if _given(value)]
    return [word for pair in words for word in pair]


def _given(value: Any) -> bool:
    return value is not None and value is not False


def _list(cases: list[Case], as_json: bool) -> None:
    if as_json:
        derived = ("flops", "traffic", "peers")
        rows = [{**asdict(case), **{name: getattr(case, name) for name in derived}} for case in cases]
        click.echo(json.dumps(rows, indent=2))
        return
    for case in cases:
        sizes = f"T={case.seq_len} B={case.batch_size} H={case.hidden_size}"
        work = f"{case.traffic / 1e9:8.1f} GB   " if case.traffic else f"{case.flops / 1e9:8.1f} GFLOP"
        click.echo(f"{case.name:44s} {sizes:22s} {work}  {case.group or '-'}")
