"""The two output streams: what they can show, and what to do when they cannot be written."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

import click


def say(message: str, label: str = "", colour: str | None = None) -> None:
    """Write one line to stderr; a stderr that is gone must not stop the work."""
    if label and colour and colour_allowed():
        label = click.style(label, fg=colour, bold=True)
    with contextlib.suppress(OSError):
        click.echo(label + message, err=True, color=True if colour_allowed() else None)


def say_later(message: str, seconds: float) -> threading.Timer:
    """Write one line unless the returned timer is cancelled before `seconds` have passed."""
    timer = threading.Timer(seconds, say, [message])
    timer.daemon = True
    timer.start()
    return timer


def colour_allowed() -> bool:
    """True if stderr may carry colour: NO_COLOR and a dumb terminal forbid it, FORCE_COLOR asks for it."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool(sys.stderr and sys.stderr.isatty()) and os.environ.get("TERM") != "dumb"


def is_live() -> bool:
    """True if stderr is a terminal that can move its cursor."""
    return bool(sys.stderr and sys.stderr.isatty()) and os.environ.get("TERM") not in ("dumb", "unknown")


def tolerate_any_encoding() -> None:
    """Escape characters the terminal's encoding lacks, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def flush_result() -> None:
    """Deliver what is still in stdout's buffer, so that a failure to do so is seen here.

    Raises
    ------
    OSError
        If the result cannot be written, for example to a full disk. A reader that has closed its end
        of the pipe is no failure: it has all it wanted.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would make the interpreter complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise
