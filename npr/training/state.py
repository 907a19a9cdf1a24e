"""All that a run must remember to go on in the same bits, to and from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import host
from npr.context import Model, State
from npr.optimizers import OptState
from npr.params import Array, Buffers, Params
from npr.schedules import Schedule, ScheduleState
from npr.tasks.base import Stream
from npr.training.checkpoint import Snapshot
from npr.training.parts import Parts, Weights
from npr.training.seeds import Purpose, generator, stream_seed
from npr.training.tensors import CheckpointError
from npr.training.window import Window


class Best(NamedTuple):
    """The state with the best validation so far.

    step : updates done
    scores : what validation measured
    weights : parameters, and the statistics they were validated with
    optimizer : to go back to; None where the schedule never goes back
    """

    step: int
    scores: dict[str, float]
    weights: Weights
    optimizer: OptState | None


@dataclass
class TrainingState:
    """State after `step` updates.

    Attributes
    ----------
    params, buffers, optimizer : Params, Buffers, OptState
        What updates change.
    rng : Generator
        Of the dropout masks.
    stream : Stream
        Training data and the position in it.
    carried : tuple of Array or None
        States that the next batch goes on from, if it continues this one.
    horizon : int
        Updates that the schedule plans for; a run that is made longer keeps it.
    schedule : ScheduleState
        What the schedule remembers of all validations.
    best : Best or None
        None before the first validation.
    window : Window
        Means since the last row.
    evaluated, logged : int
        Step of the latest validation and of the latest row.
    ended : bool
        Whether the schedule has ended training.
    seconds : float
        Time of training up to the latest checkpoint, over all sessions.
    last_row : dict
        Latest row of metrics.jsonl.
    """

    params: Params
    buffers: Buffers
    optimizer: OptState
    rng: np.random.Generator
    stream: Stream
    horizon: int
    step: int = 0
    carried: State | None = None
    schedule: ScheduleState = field(default_factory=ScheduleState)
    best: Best | None = None
    window: Window = field(default_factory=Window)
    evaluated: int = 0
    logged: int = 0
    ended: bool = False
    seconds: float = 0.0
    last_row: dict[str, Any] = field(default_factory=dict)

    def keep_best(self, scores: dict[str, float], buffers: Buffers, reloads: bool) -> None:
        """Remember this state, validated with `buffers`, as the best one."""
        optimizer = self.optimizer.copy() if reloads else None
        self.best = Best(self.step, scores, Weights(self.params, buffers).copy(), optimizer)

    def go_back(self) -> None:
        """Take parameters, statistics and optimiser from the best state; data and random numbers run on."""
        if self.best is None or self.best.optimizer is None:
            return
        weights = self.best.weights.copy()
        for name, value in self.params.items():
            value[...] = weights.params[name]
        self.buffers = weights.buffers
        self.optimizer = self.best.optimizer.copy()

    def moved(self, put: Callable[[Array], Array]) -> TrainingState:
        """The same with every array where `put` places it."""
        best, carried = self.best, self.carried
        if best is not None:
            optimizer = None if best.optimizer is None else _moved(best.optimizer, put)
            best = best._replace(weights=best.weights.moved(put), optimizer=optimizer)
        params, buffers = Weights(self.params, self.buffers).moved(put)
        return replace(
            self,
            params=params,
            buffers=buffers,
            optimizer=_moved(self.optimizer, put),
            carried=None if carried is None else tuple(put(part) for part in carried),
            best=best,
        )


def _moved(optimizer: OptState, put: Callable[[Array], Array]) -> OptState:
    return optimizer._replace(moments={name: put(moment) for name, moment in optimizer.moments.items()})


def fresh(parts: Parts) -> TrainingState:
    """State before the first update, on the device of the run."""
    return _begin(parts).moved(parts.backend.put)


def _begin(parts: Parts) -> TrainingState:
    """State before the first update, on the host."""
    train = parts.train
    params, buffers = parts.model.init(generator(train.seed, Purpose.PARAMETERS), np.dtype(train.dtype).type)
    seed = stream_seed(train.seed, Purpose.DATA_ORDER)
    return TrainingState(
        params=params,
        buffers=buffers,
        optimizer=parts.optimizer.init(params, parts.model.orthogonal),
        rng=generator(train.seed, Purpose.DROPOUT),
        stream=parts.dataset.train_stream(train.batch_size, seed, np.dtype(train.dtype).type),
        horizon=parts.total_steps(),
    )


def reloads(schedule: Schedule) -> bool:
    """Whether a schedule may ask to go back to the best state."""
    return schedule.reloads


def snapshot(state: TrainingState, config: dict[str, Any]) -> Snapshot:
    """What a checkpoint stores, whatever device the run is on."""
    state = state.moved(host)
    tensors = {**_prefixed("params", state.params), **_prefixed("buffers", state.buffers)}
    tensors |= _prefixed("moments", state.optimizer.moments)
    tensors |= _prefixed("carried", {str(i): part for i, part in enumerate(state.carried or ())})
    table: dict[str, Any] = {
        "rng": state.rng.bit_generator.state,
        "data": state.stream.state(),
        "schedule": state.schedule._asdict(),
        "window": state.window._asdict(),
        "optimizer_step": state.optimizer.step,
        "carried": None if state.carried is None else len(state.carried),
        "best": None,
        **{key: getattr(state, key) for key in _PLAIN},
    }
    if state.best is not None:
        best = state.best
        tensors |= _prefixed("best/params", best.weights.params) | _prefixed("best/buffers", best.weights.buffers)
        table["best"] = {"step": best.step, "scores": best.scores, "optimizer_step": None}
        if best.optimizer is not None:
            tensors |= _prefixed("best/moments", best.optimizer.moments)
            table["best"]["optimizer_step"] = best.optimizer.step
    return Snapshot(state.step, tensors, table, config)


def restore(parts: Parts, stored: Snapshot) -> TrainingState:
    """State from a checkpoint of a run with the same parts, on the device of this run.

    Raises
    ------
    CheckpointError
        If the checkpoint belongs to another model, optimiser or precision.
    """
    state, table = _begin(parts), stored.state
    try:
        _fill(state.params, stored.tensors, "params")
        _fill(state.buffers, stored.tensors, "buffers")
        state.optimizer = _optimizer(state, stored, "moments", table["optimizer_step"])
        state.rng.bit_generator.state = table["rng"]
        state.stream.restore(table["data"])
        state.schedule = ScheduleState(**table["schedule"])
        state.window = Window(**table["window"])
        state.best = _best(state, stored)
        state.carried = _carried(state, stored, parts.train.batch_size)
        for key in _PLAIN:
            setattr(state, key, table[key])
        state.step = stored.step
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"The checkpoint of step {stored.step} does not fit this run: {error!r}.") from error
    return state.moved(parts.backend.put)


def stored_weights(model: Model, stored: Snapshot, dtype: Any, best: bool = True) -> Weights:
    """Parameters and statistics of a checkpoint: the best so far if it holds them and they are wanted, else its own.

    Raises
    ------
    CheckpointError
        If the checkpoint belongs to another model or precision.
    """
    weights = Weights(*model.init(np.random.default_rng(0), dtype))
    prefix = "best/" if best and stored.state.get("best") else ""
    try:
        _fill(weights.params, stored.tensors, f"{prefix}params")
        _fill(weights.buffers, stored.tensors, f"{prefix}buffers")
    except ValueError as error:
        raise CheckpointError(f"The checkpoint of step {stored.step} does not fit this run: {error!r}.") from error
    return weights


def _carried(state: TrainingState, stored: Snapshot, batch_size: int) -> State | None:
    """The carried states that a checkpoint holds; one from before there were any has none."""
    count = stored.state.get("carried")
    if count is None:
        return None
    found = tuple(stored.tensors[f"carried/{i}"] for i in range(count))
    dtype = next(iter(state.params.values())).dtype
    for i, part in enumerate(found):
        if part.ndim != 2 or len(part) != batch_size or part.dtype != dtype:
            raise ValueError(f"carried/{i} is {part.dtype} {part.shape}, wanted {dtype} ({batch_size}, n)")
    return found


def _best(state: TrainingState, stored: Snapshot) -> Best | None:
    """The best state that a checkpoint holds; `state` gives the shapes."""
    table = stored.state["best"]
    if table is None:
        return None
    weights = Weights(state.params, state.buffers).copy()
    _fill(weights.params, stored.tensors, "best/params")
    _fill(weights.buffers, stored.tensors, "best/buffers")
    optimizer = None
    if table["optimizer_step"] is not None:
        optimizer = _optimizer(state, stored, "best/moments", table["optimizer_step"])
    return Best(table["step"], table["scores"], weights, optimizer)


def _optimizer(state: TrainingState, stored: Snapshot, prefix: str, step: int) -> OptState:
    copied = state.optimizer.copy()
    _fill(copied.moments, stored.tensors, prefix)
    return copied._replace(step=step)


def _prefixed(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{prefix}/{name}": value for name, value in arrays.items()}


def _fill(arrays: Mapping[str, Array], tensors: Mapping[str, Array], prefix: str) -> None:
    """Copy the tensors below `prefix` into `arrays`, which they must match one by one."""
    start = prefix + "/"
    found = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
    if found.keys() != arrays.keys():
        raise ValueError(f"{prefix} {sorted(found.keys() ^ arrays.keys())} on one side only")
    for name, target in arrays.items():
        value = found[name]
        if (value.shape, value.dtype) != (target.shape, target.dtype):
            wanted = f"{target.dtype} {target.shape}"
            raise ValueError(f"{start}{name} is {value.dtype} {value.shape}, wanted {wanted}")
        target[...] = value


_PLAIN = ("horizon", "evaluated", "logged", "ended", "seconds", "last_row")
