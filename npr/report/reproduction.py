"""The command that trains a run again, checked against the configuration it resolves to."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping
from typing import Any, NamedTuple

from npr.compare.record import Record
from npr.errors import ConfigError
from npr.training.config import resolve

# Keys with an option of their own; every other key goes through --set.
_OPTIONS = (
    *("model", "task", "preset", "hidden_size", "layers", "batch_size", "epochs", "steps", "lr", "optimizer"),
    *("activation", "seed", "device", "threads", "dtype", "data", "data_dir"),
)
_NAMES = ("model", "task", "preset")
_PARTS = ("optimizer", "optimizer_orth", "schedule")
_PLACES = ("run_dir",)
_SYNTHETIC = "[synthetic]"


class Reproduction(NamedTuple):
    """How to train a run again.

    Attributes
    ----------
    command : str
        A line for a shell; empty where no options lead to the stored configuration.
    notes : list of str
        What else decides about the result.
    """

    command: str
    notes: list[str]


def reproduction(record: Record) -> Reproduction:
    """The shortest `npr train` that resolves to the very configuration of a run, its folder apart.

    The values of the run's preset are left to the preset, so far as this version of npr still has them.
    """
    wanted = wanted_config(record)
    chosen = _options(wanted)
    notes = [] if chosen else ["No options of this version of npr lead to its configuration: use config.toml, below."]
    return Reproduction(_command(chosen) if chosen else "", [*notes, *_notes(record)])


def wanted_config(record: Record) -> dict[str, Any]:
    """The configuration to resolve to: as stored, without the run folder, with the data that was really used."""
    config = _decisive(record.config)
    synthetic = record.task.endswith(_SYNTHETIC) and config["data"] == "auto"
    return {**config, "data": "synthetic"} if synthetic else config


def _options(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The fewest keys that resolve to `wanted`, beginning with the run's preset; empty if there are none."""
    for preset in dict.fromkeys((wanted["preset"], "none")):
        given = {**{key: wanted[key] for key in _NAMES}, "preset": preset}
        try:
            for keys in (_PARTS, tuple(wanted)):
                resolved = _decisive(resolve(given).flat())
                given |= {key: wanted[key] for key in keys if key in wanted and resolved.get(key) != wanted[key]}
            resolved = _decisive(resolve(given).flat())
        except ConfigError:
            continue
        if resolved | {"preset": ""} == {**wanted, "preset": ""}:
            return given
    return {}


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the run folder and without the length that the other one replaces: no command may give both."""
    unused = (*_PLACES, "epochs" if config["steps"] else "steps")
    return {key: value for key, value in config.items() if key not in unused}


def _command(given: Mapping[str, Any]) -> str:
    words = ["npr", "train"]
    for key, value in given.items():
        if key in _OPTIONS and isinstance(value, str | int | float) and value not in (0, ""):
            words += [f"--{key.replace('_', '-')}", str(value)]
        else:
            words += ["--set", f"{key}={toml(value)}"]
    return shlex.join(words)


def toml(value: Any) -> str:
    """A value as `--set` reads it: text plain where it cannot be taken for anything else, the rest as TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str) and value and not _is_toml(value):
        return value
    return _inline(value)


def _inline(value: Any) -> str:
    """TOML writes texts, numbers, truth values and lists as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def _is_toml(text: str) -> bool:
    try:
        return bool(tomllib.loads(f"value = {text}"))
    except tomllib.TOMLDecodeError:
        return False


def _notes(record: Record) -> list[str]:
    notes = []
    if "imported" in record.about:
        file = record.about["imported"].get("file", "a file")
        notes.append(f"Its first weights came from {file} ('npr ckpt import'); the command starts from new ones.")
    if record.result and record.result.stopped == "max_time":
        notes.append(f"Its time limit ended it after {record.result.steps:,} updates; another machine gets further.")
    return notes
