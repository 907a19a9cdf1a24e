"""Options and argument types that several commands share; an option is named after its configuration key."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from npr import registry
from npr.registry import Registry, unknown

Command = TypeVar("Command", bound=Callable[..., Any])
Assignments = tuple[tuple[str, Any], ...]
Entry = tuple[str, Any, str]
SIZE = click.IntRange(min=1)
POSITIVE = click.FloatRange(min=0, min_open=True)
DEVICE = click.Choice(["cpu", "cuda"])


class Name(click.Choice[str]):
    """A registered name; the complaint about another one lists what exists."""

    def __init__(self, names: Registry) -> None:
        super().__init__(names.names())
        self._kind = names.kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            self.fail(unknown(self._kind, str(value), list(self.choices)), param, ctx)
        return str(value)


class Duration(click.ParamType):
    """Seconds, written as 90, 90s, 10m, 1h or 1h30m."""

    name = "duration"
    _units = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = self._units.fullmatch(str(value).strip())
        hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
        total = 3600 * hours + 60 * minutes + seconds
        if not 0 < total < math.inf:
            self.fail(f"'{value}' is not a duration; write 90, 90s, 10m, 1h or 1h30m.", param, ctx)
        return total


class Assignment(click.ParamType):
    """KEY=VALUE, the value read as TOML where it is valid TOML and as plain text elsewhere."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"'{value}' lacks the form KEY=VALUE.", param, ctx)
        return key.strip().replace("-", "_"), toml_value(text.strip())


class Run(click.ParamType):
    """A run folder, or the number of one below ./runs."""

    name = "run"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        parts = [folder.name.partition("-") for folder in sorted(Path("runs").glob(f"{incomplete}*-*"))]
        return [
            *(CompletionItem(number, help=rest) for number, _, rest in parts if number.isdigit()),
            CompletionItem(incomplete, type="dir"),
        ]


def toml_value(text: str) -> Any:
    """`text` as a TOML value; text that is none, or a date, stays as it is."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = found["value"]
    return text if len(found) > 1 or isinstance(value, date | datetime | time) else value


def quiet(command: Command) -> Command:
    """Add `-q`."""
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress.")(command)


def verbosity(command: Command) -> Command:
    """Add `-q` and `-v`."""
    text = "Show every row of metrics.jsonl and every checkpoint."
    return quiet(click.option("-v", "--verbose", is_flag=True, help=text)(command))


def data_dir(command: Command) -> Command:
    """Add `--data-dir`."""
    return click.option("--data-dir", type=_PATH, help="Folder with the data files.")(command)


def assignments(command: Command) -> Command:
    """Add `--set KEY=VALUE`, any number of times."""
    text = "Set any configuration key; VALUE is TOML or plain text.  (repeatable)"
    return click.option("--set", "assignments", metavar="KEY=VALUE", type=Assignment(), multiple=True, help=text)(
        command
    )


def config_file(command: Command) -> Command:
    """Add `--config FILE`."""
    return click.option(
        "--config", "config_file", metavar="FILE", type=_PATH, help="TOML file with configuration keys."
    )(command)


def device(command: Command) -> Command:
    """Add `--device` and `--tf32`."""
    return _added(command, [(name, kind, f"{text}  [default: as in the run]") for name, kind, text in _PLACE])


def as_json(command: Command) -> Command:
    """Add `--json`."""
    text = "Print the result as one JSON document."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def length(command: Command) -> Command:
    """Add the options that say how long to train, and where."""
    return _added(command, _LENGTH)


def training(command: Command) -> Command:
    """Add the options that all models share."""
    for name, text in reversed(_FLAGS):
        command = click.option(name, is_flag=True, default=None, help=text)(command)
    return _added(command, _training())


def given(values: Mapping[str, Any], assignments: Assignments = ()) -> dict[str, Any]:
    """Configuration keys the user set, from options and from `--set`.

    Raises
    ------
    click.UsageError
        If two of them contradict each other.
    """
    flags = {key: value for key, value in values.items() if value is not None}
    if {"epochs", "steps"} <= flags.keys():
        raise click.UsageError("Give either --epochs or --steps, not both.")
    for key, value in assignments:
        if flags.get(key, value) != value:
            raise click.UsageError(f"'{key}' is given twice, as {flags[key]!r} and as {value!r}.")
        flags[key] = value
    return flags


def _added(command: Command, table: list[Entry]) -> Command:
    """Add options by name, type and help; one that is not given is None, be it a switch."""
    for name, kind, text in reversed(table):
        command = click.option(name, type=kind, default=None, help=text)(command)
    return command


_PATH = click.Path(path_type=Path)
_PLACE: list[Entry] = [
    ("--device", DEVICE, "Where to compute."),
    ("--tf32/--no-tf32", bool, "Products of float32 in the precision of TF32, on a CUDA device only."),
]
_LENGTH: list[Entry] = [
    ("--epochs", SIZE, "Passes over the training data; 1,000 updates where no sequence comes twice."),
    ("--steps", SIZE, "Updates, instead of --epochs."),
    ("--max-time", Duration(), "Stop after this time: 90, 90s, 10m, 1h."),
    *_PLACE,
    ("--threads", SIZE, "CPU threads; results do not depend on it."),
]

_FLAGS = [
    ("--csv", "Keep the rows as metrics.csv in the run folder, too."),
    ("--tensorboard", "Keep the rows as event files for TensorBoard, too."),
]


def _training() -> list[Entry]:
    """Names are looked up when the table is asked for: only `train` pays for that."""
    return [
        ("--model", Name(registry.models), "Model to train."),
        ("--task", Name(registry.tasks), "Task to train it on."),
        ("--preset", str, "Named settings; 'npr presets' lists them.  [default: laptop]"),
        ("--hidden-size", SIZE, "Units per recurrent layer."),
        ("--layers", SIZE, "Recurrent layers."),
        ("--batch-size", SIZE, "Sequences per update."),
        *_LENGTH[:3],
        ("--lr", POSITIVE, "Learning rate."),
        ("--optimizer", Name(registry.optimizers), "Optimiser."),
        ("--activation", str, "Activation of the recurrent layers."),
        ("--seed", click.IntRange(min=0), "Seed of everything random in the run."),
        *_LENGTH[3:],
        ("--dtype", click.Choice(["float32", "float64"]), "Precision of parameters and activations."),
        ("--inspect-every", click.IntRange(min=0), "Updates between stored looks at gradients; 0 for none."),
        (
            "--bptt-checkpoint",
            click.IntRange(min=0),
            "Keep the states of every K-th step only, K rounded up to tiles; 0: of all.",
        ),
        ("--data", str, "'auto', 'synthetic', a data set that must be the real one (mnist), or the path of a text."),
        ("--data-dir", _PATH, "Folder with the data files."),
        ("--run-dir", _PATH, "The run folder itself.  [default: a new one below ./runs]"),
    ]
