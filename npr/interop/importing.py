"""A run folder from a foreign weight file: `npr eval`, `resume` and `ckpt export` take it like any other."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npr import registry
from npr.errors import ConfigError, DataError, StorageError
from npr.interop import about
from npr.interop.biases import joined
from npr.interop.contents import Contents, shown
from npr.interop.layouts import LAYOUTS, recognise
from npr.interop.network import Network
from npr.interop.reading import read_weights
from npr.interop.stack import CONVENTIONS
from npr.params import Array, count
from npr.training.config import Config, resolve
from npr.training.loop import describe_run
from npr.training.parts import Parts, open_parts
from npr.training.run_folder import RunFolder
from npr.training.state import TrainingState, fresh, snapshot
from npr.training.storage import discard

PathLike = str | os.PathLike[str]
Report = Callable[[str], None]


class Imported(NamedTuple):
    """What an import made.

    run : the run folder
    model : name of the model
    task : name of the task's data
    layout : how the file named its weights
    parameters : numbers taken over
    """

    run: str
    model: str
    task: str
    layout: str
    parameters: int


def import_run(file: PathLike, flags: Mapping[str, Any], report: Report = lambda text: None) -> Imported:
    """Make a run whose checkpoint of step 0 holds the weights of a file.

    Parameters
    ----------
    file : path
        Whatever `read_weights` reads.
    flags : mapping
        Configuration keys as for `npr.training.resolve`; "model" and "task" are needed, sizes come from the file.
    report : callable
        Receives what the user should be told.

    Returns
    -------
    Imported

    Raises
    ------
    DataError
        If the file, or the data of the task, cannot be read.
    ConfigError
        If the network in the file is not that of the model, its options, or the task.
    StorageError
        If the run folder cannot be written.
    """
    if missing := [key for key in ("model", "task") if not flags.get(key)]:
        raise ConfigError(f"An import needs '{missing[0]}': a file of weights does not say it.")
    contents = read_weights(Path(file))
    _all_finite(contents, file)
    name, network = recognise(contents.tensors)
    config = _config(name, network, contents.metadata, flags)
    for note in (*contents.notes, *network.notes, *config.notes):
        report(note)
    _check_sizes(network, config)
    parts = open_parts(config, report)
    apart = CONVENTIONS[name].apart if name in CONVENTIONS else ()
    state = fresh(parts)
    _fill(state, network, joined(network.params, state.params, apart), report)
    state.optimizer = parts.optimizer.init(state.params, parts.model.orthogonal)
    origin = {"file": str(file), "sha256": contents.sha256, "layout": LAYOUTS[name].about}
    path = _store(config, parts, state, origin, report)
    return Imported(str(path), config.train.model, parts.dataset.name, LAYOUTS[name].about, count(state.params))


def _config(layout: str, network: Network, metadata: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Configuration from the user's flags, the file, what npr itself wrote beside the weights, then the preset."""
    model = str(flags["model"])
    if model not in LAYOUTS[layout].models:
        fitting = [name for name in LAYOUTS[layout].models if name in registry.models.names()]
        raise ConfigError(
            f"The file holds {LAYOUTS[layout].about}, which is not the model '{model}'. "
            f"Models that compute the same: {', '.join(fitting) or 'none in this version of npr'}."
        )
    certain, likely = dict(network.options), about.options(metadata, model)
    if layout == "torch-rnn":
        likely.setdefault("activation", metadata.get("activation") or _default(model, "activation"))
    if layout == "resrnn":
        # Weights of another linearity than their own are numbers without a meaning: states overflow.
        likely.setdefault("linearity", _default(model, "linearity"))
    config = resolve({**likely, **certain, **flags})
    found = config.flat()
    for key, value in certain.items():
        if found.get(key) != value:
            raise ConfigError(f"{key} = {found.get(key)!r}, but the network in the file has {value!r}. Leave it out.")
    if layout == "torch-rnn" and found["activation"] not in about.ACTIVATIONS:
        raise ConfigError(f"activation = {found['activation']!r}: torch.nn.RNN has {' or '.join(about.ACTIVATIONS)}.")
    return config


def _default(model: str, key: str) -> Any:
    return next(field.default for field in dataclasses.fields(registry.models.get(model)) if field.name == key)


def _check_sizes(network: Network, config: Config) -> None:
    """Before data is opened, which may mean to fetch it."""
    model = config.build().model
    for kind, has, label in (
        ("input_size", network.input_size, "features per step"),
        ("output_size", network.output_size, "outputs"),
    ):
        wanted = getattr(model, kind)
        if has not in (None, wanted):
            raise ConfigError(
                f"The network in the file has {has} {label}, the task '{config.train.task}' has {wanted}. "
                f"Choose another task, or other options of it with --set."
            )


def _fill(state: TrainingState, network: Network, params: Mapping[str, Array], report: Report) -> None:
    """Copy everything into the state, one to one."""
    for kind, own, given in (("parameters", state.params, params), ("statistics", state.buffers, network.buffers)):
        differing = [f"{name} {_shape(own, name)} (file: {_shape(given, name)})" for name in {**own, **given}
                     if _shape(own, name) != _shape(given, name)]  # fmt: skip
        if differing:
            more = f" and {len(differing) - 12} more" if len(differing) > 12 else ""
            raise ConfigError(
                f"The {kind} of the model are not those of the file: {', '.join(differing[:12])}{more}. "
                f"Options of the model are set with --set."
            )
        for name, target in own.items():
            with np.errstate(over="ignore"):
                target[...] = given[name]
            if not np.isfinite(target).all():
                raise ConfigError(f"{shown(name)} does not fit into {target.dtype}. Use --set dtype=float64.")
    narrowed = {
        str(value.dtype) for name, value in params.items() if value.dtype.itemsize > state.params[name].itemsize
    }
    if narrowed:
        report(f"{' and '.join(sorted(narrowed))} numbers were rounded to float32; --set dtype=float64 keeps them.")


def _shape(arrays: Mapping[str, Array], name: str) -> Any:
    return arrays[name].shape if name in arrays else "none"


def _all_finite(contents: Contents, file: PathLike) -> None:
    for name, value in contents.tensors.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise DataError(f"Tensor {shown(name)} of '{file}' holds numbers that are not finite.")


def _store(config: Config, parts: Parts, state: TrainingState, origin: dict[str, str], report: Report) -> Path:
    """The run folder; the configuration comes last, so that a folder without one holds no run."""
    train = config.train
    place = Path(train.run_dir) if train.run_dir else None
    with RunFolder.create(place, f"{train.model}-{train.task}") as folder:
        try:
            folder.checkpoints(train.keep, report).save(snapshot(state, config.flat()))
            folder.write_config(config, {**describe_run(parts), "imported": origin})
        except BaseException as error:
            discard(folder.disk, folder.path / "ckpt")
            with contextlib.suppress(OSError):
                (folder.path / "latest").unlink()
            folder.discard()
            if isinstance(error, OSError):
                raise StorageError(f"Cannot write '{folder.path}': {error.strerror or error}.") from error
            raise
        return folder.path
