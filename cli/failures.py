"""From an exception to one message on stderr and the documented exit code."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator

import click

from npr.errors import Interrupted, NprError
from npr_cli.terminal import say

UNEXPECTED, STORAGE, INTERRUPTED = 1, 5, 130


class ReaderGone(Exception):
    """The reader of stdout has closed its end, as `head` does: no failure, it has all it wanted."""


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Tell a closed pipe from other failures before click turns it into exit code 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


def add_debug_option(command: click.Command) -> None:
    """Let a command, or every command of a group, accept `--debug`; `main` looks for it by itself."""
    if isinstance(command, click.Group):
        for child in command.commands.values():
            add_debug_option(child)
    elif all(parameter.name != "debug" for parameter in command.params):
        option = click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")
        command.params.append(option)


def report(error: BaseException, debug: bool) -> int:
    """Print one message for `error`, with its traceback if `debug`, and return the exit code."""
    if debug and not isinstance(error, SystemExit | ReaderGone):
        traceback.print_exception(error)
    if isinstance(error, ReaderGone):
        return 0
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else UNEXPECTED if error.code else 0
    if isinstance(error, KeyboardInterrupt | click.Abort):
        say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return error.exit_code
    code, message, hint = _explain(error)
    say(message, "" if isinstance(error, Interrupted) else "error: ", "red")
    for line in (hint, *getattr(error, "__notes__", ())):
        if line:
            say(line, "hint: ")
    return code


def _explain(error: BaseException) -> tuple[int, str, str]:
    """Exit code, message and hint."""
    if isinstance(error, NprError):
        return error.exit_code, str(error), ""
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "npr"
        return error.exit_code, error.format_message(), f"{_setting(error)}'{where} --help' lists what can be given."
    if isinstance(error, click.ClickException):
        return error.exit_code, error.format_message(), ""
    if isinstance(error, MemoryError):
        return UNEXPECTED, f"Out of memory. {error}".rstrip(), "Try a smaller --batch-size or --hidden-size."
    if isinstance(error, OSError) and error.strerror:
        place = f"'{error.filename}'" if error.filename else "the output"
        return STORAGE, f"Cannot read or write {place}: {error.strerror}.", _HOW_TO_DEBUG
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return UNEXPECTED, f"Unexpected {type(error).__name__}{place}: {error}", _HOW_TO_DEBUG


def _setting(error: click.UsageError) -> str:
    """What to say of an unknown option to a command with `--set`: its name may be that of a configuration key."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return ""
    if all(parameter.name != "assignments" for parameter in error.ctx.command.params):
        return ""
    key = error.option_name.lstrip("-").replace("-", "_")
    return f"configuration keys without an option of their own: --set {key}=VALUE. "


_HOW_TO_DEBUG = "Run the same command with --debug for the traceback."
