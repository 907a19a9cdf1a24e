"""The fields of registered dataclasses as configuration keys, and values brought to a field's type."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from npr.errors import ConfigError

# What a model takes from its task instead of from the user.
FROM_TASK = ("input_size", "output_size", "seq_len", "readout")


class Option(NamedTuple):
    """One configuration key: type of its value and default."""

    kind: Any
    default: Any


def options(part: type, kind: str = "") -> dict[str, Option]:
    """The user's keys of a registered dataclass, in the order of its fields; a "model" has others from its task."""
    kinds = typing.get_type_hints(part)
    taken = FROM_TASK if kind == "model" else ()
    return {
        field.name: Option(kinds[field.name], _default(field))
        for field in dataclasses.fields(part)
        if field.init and field.name not in taken
    }


def coerce(key: str, kind: Any, value: Any) -> Any:
    """`value` as the type of its field; text from a command line is read as that type.

    Parameters
    ----------
    key : str
        For messages.
    kind : type
        int, float, str, bool, a tuple, list or mapping of these, or a union.
    value : object
        From a flag, a TOML file or a stored configuration. A sequence may be written "8,6,4", a mapping
        "layers.0.=0.1,readout=2".

    Raises
    ------
    ConfigError
        If it cannot be that.
    """
    outer = typing.get_origin(kind) or kind
    if isinstance(value, PurePath):
        value = str(value)
    if isinstance(value, str) and outer in (tuple, list):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, str) and _is_mapping(outer):
        pairs = (part.rpartition("=") for part in value.split(",") if part.strip())
        value = {name.strip(): number.strip() for name, _, number in pairs}
    if isinstance(value, bool) and bool not in (outer, *typing.get_args(kind)):
        raise ConfigError(f"{key} = {str(value).lower()}: expected {_name(kind)}.")
    try:
        found = msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{key} = {value!r}: expected {_name(kind)}. ({error})") from error
    if any(isinstance(number, float) and not math.isfinite(number) for number in _leaves(found)):
        raise ConfigError(f"{key} = {value!r}: expected a finite number.")
    return found


def plain(value: Any) -> Any:
    """`value` as TOML and JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _is_mapping(outer: Any) -> bool:
    return isinstance(outer, type) and issubclass(outer, Mapping)


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [leaf for inner in value for leaf in _leaves(inner)] if isinstance(value, tuple | list) else [value]


def _name(kind: Any) -> str:
    """What a user would call a type."""
    outer, inner = typing.get_origin(kind) or kind, typing.get_args(kind)
    if outer is typing.Literal:
        return "one of " + ", ".join(repr(choice) for choice in inner)
    if outer in (typing.Union, types.UnionType):
        return " or ".join(_name(choice) for choice in inner if choice is not type(None))
    if outer in (tuple, list):
        return f"a list of {_name(inner[0])}s like 8,6,4" if inner else "a list"
    if _is_mapping(outer):
        return "a table like layers.0.=0.1,readout=2"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return names.get(outer, str(outer))
