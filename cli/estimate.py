"""What a run will cost, found by making a few updates on random numbers."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npr import registry
from npr.backends import get_backend
from npr.data import search
from npr.data.known import SETS
from npr.params import count
from npr.tasks.base import Batch, Dataset, Stream, Task
from npr.training.config import Config
from npr.training.parts import Parts
from npr.training.state import TrainingState, fresh
from npr.training.update import update

# Cost is linear in time steps, so that a part of a long sequence tells enough.
STEPS = 256
UPDATES = 2


class Estimate(NamedTuple):
    """Cost of a run.

    parameters : number of trained scalars
    seconds_per_update : of training alone, without validation
    total_steps : updates, or None where the data that says so is not on this machine
    memory_bytes : peak of the arrays of one update; data, libraries and compiler come on top
    """

    parameters: int
    seconds_per_update: float
    total_steps: int | None
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """The part of the JSON document of a dry run."""
        seconds = None if self.total_steps is None else self.total_steps * self.seconds_per_update
        return {**self._asdict(), "seconds": seconds}


@dataclass(frozen=True)
class RandomData:
    """A data set and stream of random sequences of a task's shape, cut to `steps` time steps.

    epoch : updates that the real data gives per epoch
    classes : symbols that it has, 0 to ask the task
    """

    task: Task
    steps: int
    epoch: int
    classes: int = 0
    batch_size: int = 1
    dtype: DTypeLike = np.float32
    name = "random"
    notice = ""

    @property
    def sizes(self) -> dict[str, int]:
        """Nothing is stored."""
        return {}

    @property
    def provenance(self) -> dict[str, Any]:
        """Nothing to tell."""
        return {}

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> Stream:
        """Batches of this size and type."""
        return RandomData(self.task, self.steps, self.epoch, self.classes, batch_size, dtype)

    def batches(self, split: str, batch_size: int, dtype: DTypeLike = np.float32) -> Iterator[Batch]:
        """There is nothing to evaluate."""
        return iter(())

    def updates_per_epoch(self, batch_size: int) -> int:
        """Those of the real data."""
        return self.epoch

    def next(self) -> Batch:
        """One batch, the same each time."""
        rng = np.random.default_rng(0)
        classes = self.classes or self.task.output_size
        if getattr(self.task, "discrete", False):
            symbols = rng.integers(0, classes, (self.steps + 1, self.batch_size))
            return Batch(symbols[:-1], symbols[1:], chunk=0)
        x = rng.normal(size=(self.steps, self.batch_size, self.task.input_size)).astype(self.dtype)
        shape = (self.steps, self.batch_size) if self.task.readout == "every" else (self.batch_size,)
        if self.task.loss == "cross-entropy":
            return Batch(x, rng.integers(0, classes, shape))
        return Batch(x, rng.normal(size=(*shape, self.task.output_size)).astype(self.dtype))

    def state(self) -> dict[str, Any]:
        """There is no position."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """There is no position."""


def estimate(config: Config) -> Estimate:
    """Measure what a run of `config` costs; nothing is downloaded or written.

    Raises
    ------
    ConfigError, BackendError
        If the run could not start.
    """
    train, built = config.train, config.build()
    steps = min(STEPS, built.task.seq_len)
    asked = getattr(built.task, "discrete", False) or not (train.steps or train.updates_per_epoch)
    data = _opened(config, built.task) if asked else None
    epoch = data.updates_per_epoch(train.batch_size) if data else None
    random = RandomData(built.task, steps, epoch or 1, getattr(data, "output_size", 0))
    parts = Parts(
        train=replace(train, bptt_checkpoint=0),
        model=config.build(data).model,
        dataset=random,
        optimizer=built.optimizer,
        schedule=built.schedule,
        loss=registry.losses.get(built.task.loss),
        backend=get_backend(train.device, threads=train.threads, tf32=train.tf32),
        metric=built.task.metric,
    )
    known_length = bool(train.steps or train.updates_per_epoch or epoch)
    total = parts.total_steps() if known_length else None
    state = fresh(parts)
    update(parts, state)  # loads the kernels, which would count as memory and time of this run
    seconds = _seconds(parts, state) * built.task.seq_len / steps
    fixed, peak = _memory(parts)
    memory = fixed + (peak - fixed) / steps * built.task.seq_len
    stretch = parts.backend.cut(built.task.seq_len, train.batch_size).whole_tiles(max(train.bptt_checkpoint, 1))
    if train.bptt_checkpoint and stretch < built.task.seq_len:
        # One stretch in full; of all others input, outputs and the states before them; one forward pass more.
        others = _outside(parts.model, built.task.seq_len, stretch) * train.batch_size * np.dtype(train.dtype).itemsize
        memory, seconds = fixed + (peak - fixed) / steps * stretch + others, seconds * 4 / 3
    return Estimate(count(state.params), seconds, total, int(memory))


def _outside(model: Any, seq_len: int, stretch: int) -> float:
    """Numbers of one sequence that stay in memory with states computed again."""
    # Outputs, their gradient, and two arrays of the loss.
    outputs = 4 * model.output_size if model.readout == "every" else 0
    return seq_len * (model.input_size + outputs) + seq_len / stretch * sum(model.state_sizes())


def _memory(parts: Parts) -> tuple[int, int]:
    """Bytes of a fresh state, and the peak of its first update, where the run would have them."""
    if parts.backend.room() is not None:
        return parts.backend.taken(lambda: fresh(parts)), parts.backend.taken(lambda: update(parts, fresh(parts)))
    parts.backend.pool.clear()
    tracemalloc.start()
    state = fresh(parts)
    fixed, _ = tracemalloc.get_traced_memory()
    update(parts, state)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return fixed, peak


def _seconds(parts: Parts, state: TrainingState) -> float:
    """Time of one update."""
    begin = time.perf_counter()
    for _ in range(UPDATES):
        update(parts, state)
    return (time.perf_counter() - begin) / UPDATES


def _opened(config: Config, task: Task) -> Dataset | None:
    """The data, or None if it would have to be downloaded."""
    folder = Path(config.train.data_dir) if config.train.data_dir else None
    place, data = search.place(folder), config.train.data
    wanted = [SETS[name] for name in task.sets if name == data or (data == "auto" and name == task.sets[0])]
    here = (len(search.paths(place.folder, known_set)) == len(known_set.files) for known_set in wanted)
    if not (place.named or all(here)):
        return None
    return task.open(data, folder, lambda line: None)
