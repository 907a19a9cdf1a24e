"""Starting a run, going on with it, and measuring it: the three calls that the command line makes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npr.errors import ConfigError, StorageError
from npr.training.checkpoint import Snapshot, load, read_manifest, step_of
from npr.training.config import RESUMABLE, WITHOUT_EFFECT, Config, read_origin, resolve
from npr.training.device_memory import check_memory
from npr.training.evaluation import score
from npr.training.events import SILENT, Events
from npr.training.finish import as_it_is, chosen, describe
from npr.training.history import Checkpoints
from npr.training.inspections import cut_inspections
from npr.training.options import plain
from npr.training.parts import Parts, open_parts
from npr.training.provenance import provenance, versions
from npr.training.result import Result, read_result
from npr.training.run_folder import RESULT, RunFolder, read_config
from npr.training.run_lookup import CONFIG, find_run
from npr.training.sinks import FanOut, open_sinks
from npr.training.state import TrainingState, fresh, restore
from npr.training.trainer import Trainer

PathLike = str | os.PathLike[str]
SPLITS = ("train", "validation", "test")


def fit(
    config: Config,
    events: Events = SILENT,
    run: RunFolder | PathLike | None = None,
    parts: Parts | None = None,
) -> Result:
    """Train a model from the start, in a run folder of its own.

    Parameters
    ----------
    config : Config
        From `resolve`.
    events : Events
        Who watches; nobody by default.
    run : RunFolder or path, optional
        Where; by default `run_dir` of the configuration, or else a new folder below ./runs.
    parts : Parts, optional
        What to compute with, if not what the configuration builds.

    Returns
    -------
    Result
        Figures of the last training row, the best validation, and the test split.

    Raises
    ------
    ConfigError, DataError, BackendError, RunBusyError
        Before training begins; a folder made for it is removed again.
    DivergedError, StorageError, Interrupted
        From training; see `Trainer.run`.
    """
    train = config.train
    if parts is None:
        # What is not valid is best said before there is a folder.
        config.build()
    sinks = open_sinks(train)
    if not isinstance(run, RunFolder):
        place = run or train.run_dir or None
        run = RunFolder.create(Path(place) if place else None, f"{train.model}-{train.task}")
    with run as folder, FanOut(events, sinks) as events:
        try:
            parts = _parts(config, parts, events)
            check_memory(parts)
            state = fresh(parts)
            folder.write_config(config, describe_run(parts))
        except BaseException:
            folder.discard()
            raise
        return Trainer(folder, config.flat(), parts, state, events).run()


def resume(
    run: PathLike,
    changes: Mapping[str, Any] | None = None,
    events: Events = SILENT,
    parts: Parts | None = None,
) -> Result:
    """Go on with a run from its newest sound checkpoint, exactly as if it had never stopped; on another device it goes
    on with the same numbers, but rounds otherwise.

    A run made longer keeps the schedule it began with: cosine and one-cycle stay at their last factor.
    A run that has nothing left to do gives its stored result.

    Parameters
    ----------
    run : path
        Run folder, or its number or name below ./runs.
    changes : mapping, optional
        New values of "epochs", "steps", "max_time", "threads", "device" or "tf32".
    events : Events
        Who watches.
    parts : Parts, optional
        What to compute with, if not what the configuration builds.

    Returns
    -------
    Result

    Raises
    ------
    ConfigError
        If another key is to change, or the checkpoint was made with another configuration.
    StorageError
        If no checkpoint is sound, or one does not fit the model.
    NprError
        As `fit`.
    """
    path = find_run(run)
    with RunFolder.open(path) as folder:
        config = read_config(path).changed(changes or {})
        sinks = open_sinks(config.train)
        parts = _parts(config, parts, events)
        state = _state(folder, config, parts, events)
        result = read_result(path / RESULT)
        if result and result.steps != state.step:
            result = None
        state.seconds = max(state.seconds, result.seconds if result else 0.0)
        watched = FanOut(events, sinks)
        trainer = Trainer(folder, config.flat(), parts, state, watched)
        if result and trainer.over():
            events.on_message(f"Nothing is left to train in '{path}'. Make it longer with --steps or --epochs.")
            return result
        _check_length(path, parts, state, events)
        if changes:
            folder.write_config(config, describe_run(parts) | read_origin(path / CONFIG))
        with watched:
            return trainer.run()


def _check_length(path: Path, parts: Parts, state: TrainingState, events: Events) -> None:
    """Refuse a run shorter than it is already; tell the rate of updates beyond the end of its schedule."""
    if parts.total_steps() < state.step:
        raise ConfigError(
            f"'{path}' has {state.step} updates behind it, more than the {parts.total_steps()} that are asked for. "
            "Ask for more with --steps or --epochs."
        )
    if parts.total_steps() > state.horizon:
        factor = parts.schedule.factor(state.horizon, state.horizon) * state.schedule.factor
        if factor != 1:
            events.on_message(f"The schedule ends at update {state.horizon}; later ones have {factor:g} of lr.")


def evaluate(
    run_or_checkpoint: PathLike,
    split: str = "test",
    norm: str | None = None,
    events: Events = SILENT,
    parts: Parts | None = None,
    changes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure a run or a checkpoint on one split; a run that trains at the same time is not disturbed.

    Parameters
    ----------
    run_or_checkpoint : path
        A run (its best state counts), or a checkpoint folder (the state of that very step counts, with
        statistics of batch norm estimated anew if the run does so).
    split : {"train", "validation", "test"}
        Examples.
    norm : {"running", "batch", "both"}, optional
        Statistics of batch norm; by default as in the run.
    events : Events
        Receives messages.
    parts : Parts, optional
        What to compute with, if not what the configuration builds.
    changes : mapping, optional
        New values of "device", "tf32" or "threads".

    Returns
    -------
    dict
        The document of `Result`, with the measured split in its place.

    Raises
    ------
    ConfigError
        If there is no such run or split, or the task keeps no examples of that split.
    StorageError
        If no checkpoint is sound.
    """
    if split not in SPLITS:
        raise ConfigError(f"split = {split!r}: it must be one of {', '.join(SPLITS)}.")
    given = Path(run_or_checkpoint)
    single = step_of(given) >= 0
    path = given.parent.parent if single else find_run(run_or_checkpoint)
    config = read_config(path).changed(changes or {})
    stored = load(given) if single else Checkpoints(path, report=events.on_message).newest()[1]
    parts = _parts(config, parts, events)
    if split not in parts.dataset.sizes:
        held = ", ".join(parts.dataset.sizes)
        raise ConfigError(f"'{parts.dataset.name}' keeps no {split} sequences: every update has new ones. Use {held}.")
    state = restore(parts, stored)
    best = as_it_is(parts, state) if single else chosen(parts, state)
    norm = norm or config.train.eval_norm
    figures = score(parts, best.weights, split, norm)
    result = describe(parts, state, best)._replace(run=str(path))
    result = result._replace(norm=norm if result.norm else "")
    return {**result.document(), split: figures}


def _parts(config: Config, parts: Parts | None, events: Events) -> Parts:
    """The given parts, or those of the configuration, which says how to train in either case."""
    return (parts or open_parts(config, events.on_message))._replace(train=config.train)


def _state(folder: RunFolder, config: Config, parts: Parts, events: Events) -> TrainingState:
    """State of the newest sound checkpoint; the beginning for a run killed before its first."""
    checkpoints = folder.checkpoints(config.train.keep, events.on_message)
    checkpoints.sweep()
    if checkpoints.paths():
        path, stored = checkpoints.newest()
        _check_same(path, stored, config, events)
        state = restore(parts, stored)
    else:
        state = fresh(parts)
    try:
        folder.metrics.cut(state.logged)
        cut_inspections(folder.disk, folder.path, state.step)
    except OSError as error:
        raise StorageError(f"Cannot change metrics.jsonl in '{folder.path}': {error.strerror}.") from error
    return state


def _added(before: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """Options that the checkpoint's version did not have, at their defaults, which are what there was before."""
    chosen = {key: now[key] for key in ("model", "task", "optimizer", "schedule")}
    defaults = resolve({**chosen, "preset": "none"}).flat()
    return {key for key in now.keys() - before.keys() if key in defaults and now[key] == defaults[key]}


def _check_same(path: Path, stored: Snapshot, config: Config, events: Events) -> None:
    """Refuse a checkpoint made with another configuration; say so if only the software differs."""
    now = config.flat()
    differing = [key for key in {**stored.config, **now} if stored.config.get(key) != now.get(key)]
    differing = sorted(set(differing) - {*RESUMABLE, *WITHOUT_EFFECT} - _added(stored.config, now))
    if differing:
        pairs = ", ".join(f"{key} {stored.config.get(key)!r} -> {now.get(key)!r}" for key in differing)
        raise ConfigError(f"config.toml is not that of '{path}': {pairs}. Put the old values back.")
    then, here = read_manifest(path).versions, versions()
    other = [f"{name} {then[name]} (now {here.get(name)})" for name in then if then[name] != here.get(name)]
    if other:
        events.on_message(f"'{path}' was written with {', '.join(other)}: the last bits may come out differently.")


def describe_run(parts: Parts) -> dict[str, Any]:
    """Tables that describe a run beside its configuration."""
    dataset = {key: value for key, value in parts.dataset.provenance.items() if value is not None}
    return {"provenance": provenance(), "dataset": {"name": parts.dataset.name, **plain(dataset)}}
