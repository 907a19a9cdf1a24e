"""Let a trained character model write text."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from npr_cli import options, terminal

if TYPE_CHECKING:
    from npr.tasks.vocabulary import Vocabulary


@click.command()
@click.argument("run", type=options.Run())
@click.option("--prime", default="", help="Text that is read, and printed, first.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Below 1 bolder, above 1 wilder; 0 takes the most probable symbol.",
)
@click.option("--top-k", type=options.SIZE, help="Draw from so many of the most probable symbols.  [default: all]")
@click.option("--length", type=options.SIZE, default=2000, show_default=True, help="Symbols to write.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of all draws.")
def command(run: str, prime: str, temperature: float, top_k: int | None, length: int, seed: int) -> None:
    """Write text with the state of RUN that validated best; its data is not needed.

    RUN is a run folder, a number below ./runs, or the folder of one checkpoint. The text goes to stdout as it
    comes, in UTF-8, or byte by byte where the symbols of the run are bytes.
    """
    import numpy as np

    from npr.sampling import Choice, open_run, symbols

    trained = open_run(run)
    vocabulary = trained.vocabulary
    first = _encoded(vocabulary, prime)
    rest = symbols(trained, first, np.random.default_rng(seed), length, Choice(temperature, top_k or 0))
    _stream(chain([vocabulary.decode(first)], (vocabulary.decode([symbol]) for symbol in rest)))


def _encoded(vocabulary: Vocabulary, prime: str) -> list[int]:
    """Numbers of the prime text; an unknown character is an error, an unknown byte is left out and said so."""
    from npr.tasks.vocabulary import UnknownSymbols

    try:
        return vocabulary.encode(prime)
    except UnknownSymbols as error:
        named = ", ".join(f"0x{ord(s):02x}" if vocabulary.kind == "bytes" else repr(s) for s in error.symbols)
        if vocabulary.kind != "bytes":
            known = repr("".join(sorted(vocabulary.symbols)))
            raise click.UsageError(
                f"--prime has symbols that the text of this run does not have: {named}. It has {known}."
            ) from error
        terminal.say(f"left out of --prime, as the text of this run has no such bytes: {named}")
        return vocabulary.encode_known(prime)


def _stream(pieces: Iterator[bytes]) -> None:
    """Write every piece at once; a terminal gets a newline at the end."""
    out = sys.stdout.buffer
    with contextlib.ExitStack() as stack:
        if sys.stdout.isatty():
            stack.callback(click.echo)
        for piece in pieces:
            out.write(piece)
            out.flush()
