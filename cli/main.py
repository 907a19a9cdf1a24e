"""Entry point of `npr`: finds the commands, runs one and turns its outcome into an exit code."""

from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path
from typing import Any

import click

from npr.registry import unknown
from npr_cli import failures, terminal

_COMMANDS = Path(__file__).parent / "commands"


class LazyGroup(click.Group):
    """A group whose commands are the files of one folder, imported only when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(file.stem for file in _COMMANDS.glob("[a-z]*.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"npr_cli.commands.{cmd_name}").command
        failures.add_debug_option(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(unknown("command", name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with failures.reader_may_leave():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with failures.reader_may_leave():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in self.list_commands(ctx)])


def summary(command: str) -> str:
    """First line of the docstring of a command's module, read without importing it."""
    with open(_COMMANDS / f"{command}.py", encoding="utf-8") as source:
        return source.readline().strip().strip('"').rstrip(".")


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"npr {version('npr')}")
        ctx.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command has its own --help.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def npr() -> None:
    """Train and dissect recurrent networks with long memory.

    \b
    Try:
      npr train --model indrnn --task pmnist
      npr resume 1
      npr gradcheck --model indrnn
    """


def main(args: list[str] | None = None) -> int:
    """Run the command line and return the process's exit code, whatever happens inside."""
    terminal.tolerate_any_encoding()
    try:
        outcome: Any = npr.main(args=args, prog_name="npr", standalone_mode=False)
        terminal.flush_result()
        return outcome if isinstance(outcome, int) else 0
    except BaseException as error:
        code = failures.report(error, debug="--debug" in (sys.argv[1:] if args is None else args))
        with contextlib.suppress(OSError):
            terminal.flush_result()
        return code
