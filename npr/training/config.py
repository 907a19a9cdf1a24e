"""One flat configuration for a run: its keys, where their values come from, what is built from them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from npr import registry
from npr.errors import ConfigError
from npr.optimizer_groups import Grouped
from npr.registry import unknown
from npr.training import presets
from npr.training.options import FROM_TASK, Option, coerce, options, plain
from npr.training.train_config import TrainConfig

RESUMABLE = ("epochs", "steps", "max_time", "threads", "device", "tf32")
# Where a run lies and what it keeps of itself: no result depends on these keys.
WITHOUT_EFFECT = ("data_dir", "run_dir", "keep", "csv", "tensorboard", "inspect_every", "bptt_checkpoint")
# Tables of a stored config.toml that describe the run instead of configuring it.
DESCRIPTIVE = ("provenance", "dataset", "imported")


class Built(NamedTuple):
    """The chosen parts, made from their options."""

    model: Any
    task: Any
    optimizer: Any
    schedule: Any


@dataclass(frozen=True)
class Config:
    """A resolved configuration.

    Parameters
    ----------
    train : TrainConfig
        The common keys.
    parts : dict of str to dict
        Options of "model", "task", "optimizer" and "schedule".
    origin : dict of str to str
        Where the value of each key comes from: "flag", "file", "preset", "default" or "stored".
    notes : tuple of str
        What the user should be told about the resolution.
    """

    train: TrainConfig
    parts: Mapping[str, Mapping[str, Any]]
    origin: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def flat(self) -> dict[str, Any]:
        """All keys and values, as TOML and JSON can hold them."""
        common = {entry.name: getattr(self.train, entry.name) for entry in fields(self.train)}
        merged = {key: value for table in (common, *self.parts.values()) for key, value in table.items()}
        return {key: plain(value) for key, value in merged.items() if value is not None}

    def build(self, data: object = None) -> Built:
        """The model, task, optimiser and schedule.

        Parameters
        ----------
        data : Dataset, optional
            The opened data, or a table like it: sizes it has hold instead of the task's.

        Raises
        ------
        ConfigError
            If a value is not valid for its part.
        """
        classes = _classes(self.train)
        task = _make(classes["task"], self.parts["task"])
        taken = {entry.name for entry in fields(classes["model"])} & set(FROM_TASK)
        sizes = {key: getattr(data, key, getattr(task, key)) for key in taken}
        model = _make(classes["model"], {**self.parts["model"], **sizes})
        if getattr(model, "embedding_size", 0) and not getattr(task, "discrete", False):
            raise ConfigError(f"embedding_size = {model.embedding_size}: {self.train.task} has no symbols: set 0.")
        if getattr(model, "bidirectional", False) and getattr(task, "predicts", False):
            raise ConfigError(f"bidirectional = true: {self.train.task} asks for what a reader from the end has seen.")
        if self.train.bptt_checkpoint:
            model.check_recomputed(self.train.bptt_checkpoint)
        return Built(model, task, self._optimizer(classes), _make(classes["schedule"], self.parts["schedule"]))

    def _optimizer(self, classes: dict[str, type]) -> Any:
        """One optimiser, or two."""
        own = self.parts["optimizer"]
        if "optimizer_orth" not in classes:
            return _make(classes["optimizer"], own)
        if not own["lr_orth"]:
            raise ConfigError(f"optimizer_orth = {self.train.optimizer_orth!r} needs a rate: give lr_orth.")
        rate = {"lr": own["lr_orth"], "lr_orth": 0.0}
        orth = _make(classes["optimizer_orth"], {**self.parts["optimizer_orth"], **rate})
        return Grouped(_make(classes["optimizer"], {**own, "lr_orth": 0.0}), orth)

    def changed(self, changes: Mapping[str, Any]) -> Config:
        """The same run with another length, time limit, number of threads or device; a move to the CPU ends TF32.

        Raises
        ------
        ConfigError
            If any other key is to change: the result would belong to no one configuration.
        """
        for key in changes:
            if key not in RESUMABLE:
                raise ConfigError(
                    f"'{key}' cannot change when a run is resumed, only {', '.join(RESUMABLE)} can. "
                    f"Start a new run with 'npr train'."
                )
        implied: dict[str, Any] = {"steps": 0} if "epochs" in changes else {}
        if changes.get("device") == "cpu":
            implied["tf32"] = False
        flat = {**self.flat(), **implied, **changes}
        return Config.from_flat(flat)

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> Config:
        """The configuration that a run folder stores; keys it lacks take their defaults.

        Raises
        ------
        ConfigError
            If a key or value is not valid.
        """
        return _resolved([("stored", {key: value for key, value in flat.items() if key not in DESCRIPTIVE})])


def resolve(flags: Mapping[str, Any] | None = None, config_file: Path | None = None) -> Config:
    """Configuration from flags, then a TOML file, then the preset, then defaults.

    A length in epochs replaces one in updates that comes from further down, and the other way round.

    Parameters
    ----------
    flags : mapping, optional
        Keys given by the user; values may be text.
    config_file : Path, optional
        TOML with the same flat keys; the config.toml of a run will do.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        For an unknown key, name or preset (listing those that exist), or a value that is not valid.
    """
    layers = [("flag", dict(flags or {})), ("file", read_toml(config_file) if config_file else {})]
    names = _common([table for _, table in layers])
    preset, notes = presets.find(names.model, names.task, names.preset, _gives(layers, "preset"))
    config = _resolved([*layers, ("preset", preset)], notes)
    config.build()
    return config


def read_toml(path: Path) -> dict[str, Any]:
    """Flat keys of a TOML file, without what a stored configuration says about its run.

    Raises
    ------
    ConfigError
        If it cannot be read or is no TOML.
    """
    return {key: value for key, value in read_table(path).items() if key not in DESCRIPTIVE}


def read_origin(path: Path) -> dict[str, Any]:
    """The table of a stored configuration that says which file the first weights came from, where there is one.

    Raises
    ------
    ConfigError
        If it cannot be read or is no TOML.
    """
    return {key: value for key, value in read_table(path).items() if key == "imported"}


def read_table(path: Path) -> dict[str, Any]:
    """All of a TOML file; errors as in `read_toml`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration '{path}': {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"'{path}' is no valid TOML: {error}.") from error


def known_keys(train: TrainConfig) -> dict[str, dict[str, Option]]:
    """Keys of the common part ("train") and of each chosen part, with types and defaults."""
    return {"train": options(TrainConfig), **{kind: options(part, kind) for kind, part in _classes(train).items()}}


def _resolved(layers: list[tuple[str, dict[str, Any]]], notes: tuple[str, ...] = ()) -> Config:
    """Configuration from layers, the first of which counts most."""
    known = known_keys(_common([table for _, table in layers]))
    every = {key: option for table in known.values() for key, option in table.items()}
    values: dict[str, Any] = {}
    origin = dict.fromkeys(every, "default")
    for source, table in layers:
        above = set(values)
        for key, value in table.items():
            # A preset is written for its own optimiser and schedule; another choice leaves its keys unused.
            if key not in every and source != "preset":
                raise ConfigError(unknown("key", key, sorted(every)))
            if key in every and key not in above and not _outvoted(key, above):
                values[key] = coerce(key, every[key].kind, value)
                origin[key] = source
    parts = {
        kind: {key: values.get(key, option.default) for key, option in table.items()} for kind, table in known.items()
    }
    if "optimizer_orth" in parts:
        shared = parts["optimizer"]
        parts["optimizer_orth"] = {key: shared.get(key, value) for key, value in parts["optimizer_orth"].items()}
    return Config(TrainConfig(**parts.pop("train")), parts, origin, notes)


def _outvoted(key: str, above: set[str]) -> bool:
    """True for a length in one unit if a layer that counts more gave it in the other."""
    return {"epochs": "steps", "steps": "epochs"}.get(key) in above


def _common(tables: list[dict[str, Any]]) -> TrainConfig:
    """The names of the parts, before their keys are known."""
    known = options(TrainConfig)
    merged = {key: value for table in reversed(tables) for key, value in table.items()}
    names = ("model", "task", "preset", "optimizer", "optimizer_orth", "schedule")
    return TrainConfig(**{key: coerce(key, known[key].kind, merged[key]) for key in names if key in merged})


def _gives(layers: list[tuple[str, dict[str, Any]]], key: str) -> bool:
    return any(key in table for _, table in layers)


def _classes(train: TrainConfig) -> dict[str, type]:
    return {
        "model": registry.models.get(train.model),
        "task": registry.tasks.get(train.task),
        "optimizer": registry.optimizers.get(train.optimizer),
        "schedule": registry.schedules.get(train.schedule),
        **({"optimizer_orth": registry.optimizers.get(train.optimizer_orth)} if train.optimizer_orth else {}),
    }


def _make(part: type, values: Mapping[str, Any]) -> Any:
    """One part from its options."""
    try:
        return part(**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{part.__name__}: {str(error).rstrip('.')}.") from error
