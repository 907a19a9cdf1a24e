"""The cases of `cases.toml`: reading, and choosing some by pattern."""

from __future__ import annotations

import fnmatch
import importlib
import tomllib
from collections.abc import Sequence
from pathlib import Path

from npr.bench.problem import DEVICE, Case
from npr.errors import ConfigError
from npr.registry import unknown

FILE = Path(__file__).parent / "cases.toml"


def family(case: Case) -> str:
    """Name of the module of `problems` that a case belongs to."""
    return type(case).__module__.rpartition(".")[2]


def load(file: Path = FILE) -> dict[str, Case]:
    """The cases of a file by name, in its order; those whose forward pass is timed alone come twice. Of the cases of a
    device the file itself has forward passes.

    Raises
    ------
    ConfigError
        If a case has an unknown field, or lacks one.
    """
    found: dict[str, Case] = {}
    with file.open("rb") as stream:
        families = tomllib.load(stream)
    for name, cases in families.items():
        kind: type[Case] = importlib.import_module(f"npr.bench.problems.{name}").Case
        for own, fields in cases.items():
            found |= _both(kind, f"{name}-{own}", fields, file)
    return found


def _both(kind: type[Case], name: str, fields: dict, file: Path) -> dict[str, Case]:
    try:
        case = kind(name=name, **fields)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{file.name}, case {name}: {error}") from error
    if not kind.splits or case.group == DEVICE:
        return {name: case}
    alone = case.freed(name=f"{name}-forward", forward=True)
    return {name: case, alone.name: alone}


def offered(device: str, known: dict[str, Case], asked: bool = False) -> dict[str, Case]:
    """The cases to choose from: on "cpu" those that are not of a device; on "cuda" these, and all where some are asked
    for by pattern."""
    if device != "cpu" and asked:
        return known
    return {name: case for name, case in known.items() if (case.group == DEVICE) is (device != "cpu")}


def select(patterns: Sequence[str], known: dict[str, Case]) -> list[Case]:
    """Cases whose name or family one of the patterns describes; all of them without a pattern.

    Raises
    ------
    ConfigError
        If a pattern describes none.
    """
    chosen: set[str] = set()
    for pattern in patterns:
        matching = {
            name for name, case in known.items() if any(fnmatch.fnmatchcase(n, pattern) for n in (name, family(case)))
        }
        if not matching:
            raise ConfigError(unknown("case", pattern, list(known)) + " A pattern may hold *, ? and [...].")
        chosen |= matching
    return [case for name, case in known.items() if not patterns or name in chosen]
