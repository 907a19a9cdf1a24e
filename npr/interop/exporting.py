"""A run's weights as a safetensors file, with the names of torch where torch has the same network."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from npr.errors import ConfigError, StorageError
from npr.interop import about, own
from npr.interop.layouts import WRITERS
from npr.interop.network import NotExpressible
from npr.params import Array, Buffers, Params, scope
from npr.training import tensors
from npr.training.checkpoint import Snapshot, load, step_of
from npr.training.config import Config
from npr.training.history import Checkpoints
from npr.training.run_folder import read_config
from npr.training.run_lookup import find_run
from npr.training.storage import Disk, replace_file

PathLike = str | os.PathLike[str]
SUFFIX = ".safetensors"


class Exported(NamedTuple):
    """What an export wrote.

    file : where
    model : name of the model
    step : updates that the weights have seen
    convention : whose names the tensors have
    tensors, bytes : their number, and the size of the file
    """

    file: str
    model: str
    step: int
    convention: str
    tensors: int
    bytes: int


def export_run(
    run_or_checkpoint: PathLike,
    file: PathLike,
    last: bool = False,
    force: bool = False,
    report: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write the weights of a run or checkpoint for other programs.

    Parameters
    ----------
    run_or_checkpoint : path
        A run (its best state counts), or a checkpoint folder (the state of that very step counts).
    file : path
        A name on ".safetensors".
    last : bool
        Take the newest state of a run instead of the best.
    force : bool
        Replace a file that exists.
    report : callable
        Receives what the user should be told.

    Returns
    -------
    Exported

    Raises
    ------
    ConfigError
        If there is no such run, the file exists, or has another suffix.
    StorageError
        If no checkpoint is sound, or the file cannot be written.
    """
    target = Path(file)
    if target.suffix != SUFFIX:
        raise ConfigError(f"'{target}': the name must end on {SUFFIX}, the format that is written.")
    given = Path(run_or_checkpoint)
    single = step_of(given) >= 0
    folder = given.parent.parent if single else find_run(run_or_checkpoint)
    config = read_config(folder)
    if os.path.lexists(target) and not force:
        raise ConfigError(f"'{target}' exists. Replace it with --force, or choose another name.")
    stored = load(given) if single else Checkpoints(folder, report=report).newest()[1]
    step, params, buffers = _chosen(stored, single or last)
    convention, arrays, gates = _named(config, params, buffers, report)
    data = tensors.encode(arrays, about.metadata(config, convention, gates, step))
    try:
        replace_file(Disk(), target, data)
    except OSError as error:
        raise StorageError(f"Cannot write '{target}': {error.strerror or error}.") from error
    return Exported(str(target), config.train.model, step, convention, len(arrays), len(data))


def _chosen(stored: Snapshot, last: bool) -> tuple[int, Params, Buffers]:
    """Step, parameters and statistics of the best state, or of the last one."""
    best = None if last else stored.state["best"]
    place = "best/" if best else ""
    params, buffers = (scope(stored.tensors, f"{place}{kind}/") for kind in ("params", "buffers"))
    return best["step"] if best else stored.step, params, buffers


def _named(
    config: Config, params: Params, buffers: Buffers, report: Callable[[str], None]
) -> tuple[str, dict[str, Array], tuple[str, ...]]:
    """Convention, tensors and order of the gates: of torch if it has the same network, else our own."""
    writer = WRITERS.get(config.train.model)
    if writer:
        try:
            activation = config.flat().get("activation", "")
            if writer.activations and activation not in writer.activations:
                raise NotExpressible(f"it has no activation '{activation}'")
            return writer.about, writer.write(params), writer.gates
        except NotExpressible as reason:
            report(f"{writer.about} cannot hold this network: {reason}. The file has npr's own names.")
    return "npr", own.from_npr(params, buffers), ()
