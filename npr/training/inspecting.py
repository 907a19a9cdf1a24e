"""What of a run or of a fresh model is looked at: which weights, which batch."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from npr.arrays import host
from npr.backends import get_backend
from npr.errors import ConfigError
from npr.inspect.subject import Subject
from npr.params import Array
from npr.tasks.base import Batch
from npr.training.checkpoint import Snapshot, load, step_of
from npr.training.config import Config
from npr.training.events import SILENT, Events
from npr.training.history import Checkpoints
from npr.training.parts import Parts, Weights, counted, open_parts
from npr.training.run_folder import read_config
from npr.training.run_lookup import find_run
from npr.training.seeds import Purpose, stream_seed
from npr.training.state import fresh, restore

SEQUENCES = 16


class Place(NamedTuple):
    """A state that can be looked at, and where it comes from.

    subject : the network, its weights and a batch
    run : the run folder; empty for a fresh model
    step : updates done
    parts : what the run computes with
    """

    subject: Subject
    run: str
    step: int
    parts: Parts


def subject_of(parts: Parts, weights: Weights, batch: Batch, tail: int = 0) -> Subject:
    """A network of a run and a batch of its data.

    Batch norm uses its stored statistics, sequences start from zero states. The loss is that of the targets which
    accuracy counts (of a copied text the recalled symbols, not the blanks before), or of the last `tail` steps: with a
    loss at every step the gradient is large everywhere, whether anything is remembered or not.

    Raises
    ------
    ConfigError
        If there is a tail, but only one output per sequence.
    """
    if tail and getattr(parts.model, "readout", "last") == "last":
        raise ConfigError(f"tail = {tail}: {parts.train.model} has one output, after the last step; leave it out.")

    def loss(output: Array) -> tuple[float, Array]:
        return parts.loss(output, batch.target, _looked_at(batch, output, tail))

    # Series are looked at on the host, wherever a run trains.
    batch = batch._replace(x=host(batch.x), target=host(batch.target))
    backend = parts.backend if parts.backend.name == "cpu" else get_backend("cpu", threads=parts.train.threads)
    return Subject(parts.model, *weights.moved(host), batch.x, loss, backend, None, batch.lengths)


def _looked_at(batch: Batch, output: Array, tail: int) -> Array | None:
    """1 for the steps (T, B) whose loss is differentiated; None if every one is."""
    weight = counted(batch, output)
    if output.ndim < 3 or (not tail and batch.scored == slice(None)):
        return weight
    steps = np.arange(len(output))[:, None]
    ends = np.full(output.shape[1], len(output)) if batch.lengths is None else batch.lengths
    chosen = np.isin(steps, steps[batch.scored]) & (ends > 0)
    if tail:
        chosen = steps >= ends - tail
    return chosen.astype(output.dtype) * (1 if weight is None else weight)


def probe(parts: Parts, sequences: int = SEQUENCES) -> Batch:
    """The batch that inspections of a run look at, always the same one: the first validation sequences, or where none
    are held out training sequences drawn by the seed alone."""
    train, dtype = parts.train, np.dtype(parts.train.dtype).type
    size = min(train.batch_size, sequences)
    if parts.dataset.sizes.get("validation"):
        return next(iter(parts.dataset.batches("validation", size, dtype)))
    return parts.dataset.train_stream(size, stream_seed(train.seed, Purpose.INSPECTION), dtype).next()


def place_of_run(
    run: str | os.PathLike[str],
    at: int | None = None,
    sequences: int = SEQUENCES,
    tail: int = 0,
    events: Events = SILENT,
) -> Place:
    """A checkpoint of a run.

    Parameters
    ----------
    run : path
        Run folder, or its number or name below ./runs.
    at : int, optional
        Updates done; the newest checkpoint if not given.
    sequences : int
        Most sequences of the batch.
    tail : int
        Last steps whose loss counts; see `subject_of`.
    events : Events
        Receives messages.

    Raises
    ------
    ConfigError
        If there is no such run, or no checkpoint of that step; the message lists those there are.
    StorageError
        If no checkpoint is sound.
    """
    path = find_run(run)
    # Looked at on the host, wherever it trained: it may have come from a machine with a device.
    parts = open_parts(read_config(path).changed({"device": "cpu"}), events.on_message)
    checkpoints = Checkpoints(path, report=events.on_message)
    state = restore(parts, _stored(checkpoints, at, str(path)))
    weights = Weights(state.params, state.buffers)
    return Place(subject_of(parts, weights, probe(parts, sequences), tail), str(path), state.step, parts)


def place_of_model(config: Config, sequences: int = SEQUENCES, tail: int = 0, events: Events = SILENT) -> Place:
    """A model before its first update, with the initial values that `config.train.seed` draws.

    Raises
    ------
    ConfigError, DataError
        If a part cannot be had.
    """
    parts = open_parts(config, events.on_message)
    state = fresh(parts)
    weights = Weights(state.params, state.buffers)
    return Place(subject_of(parts, weights, probe(parts, sequences), tail), "", 0, parts)


def _stored(checkpoints: Checkpoints, at: int | None, run: str) -> Snapshot:
    paths = {step_of(path): path for path in reversed(checkpoints.paths())}
    if not paths:
        raise ConfigError(f"'{run}' has no checkpoint to look at. Train it with checkpoint_every above 0.")
    if at is None:
        return checkpoints.newest()[1]
    if at not in paths:
        held = ", ".join(map(str, sorted(paths)))
        raise ConfigError(f"'{run}' has no checkpoint of step {at}; there are {held}. More stay with --set keep=N.")
    return load(paths[at])
