"""Everything a run computes with, gathered once: model, data, optimiser, schedule, loss, backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npr import registry
from npr.arrays import namespace
from npr.backends import get_backend
from npr.context import Context, Model, State
from npr.losses import accuracy, right_bits
from npr.optimizers import Optimizer
from npr.params import Array, Buffers, Params, pack
from npr.schedules import Schedule
from npr.tasks.base import Baseline, Batch, Dataset
from npr.tasks.stored import StoredDataset
from npr.training.config import Config
from npr.training.train_config import TrainConfig

Loss = Callable[..., tuple[float, Array]]


class Weights(NamedTuple):
    """What a forward pass reads: parameters and the statistics of batch norm."""

    params: Params
    buffers: Buffers

    def copy(self) -> Weights:
        """Arrays that later updates do not touch."""
        return Weights(pack(self.params), {name: value.copy() for name, value in self.buffers.items()})

    def moved(self, put: Callable[[Array], Array]) -> Weights:
        """The same where `put` places arrays; parameters stay views of one buffer."""
        params = {name: put(value) for name, value in self.params.items()}
        alike = all(params[name] is value for name, value in self.params.items())
        return Weights(
            self.params if alike else pack(params), {name: put(value) for name, value in self.buffers.items()}
        )


class Parts(NamedTuple):
    """The pieces of one run.

    train : common configuration
    model, dataset, optimizer, schedule : see their protocols
    loss : function (output, target, weight) -> (value, dL/doutput)
    backend : device
    metric : "accuracy" or "loss", the validation figure that selects
    higher : whether larger is better
    baseline : what can be had without memory, where the task or its data knows
    bits : whether a loss is told in bits too, as bpc
    """

    train: TrainConfig
    model: Model
    dataset: Dataset
    optimizer: Optimizer
    schedule: Schedule
    loss: Loss
    backend: Any
    metric: str = "accuracy"
    higher: bool = True
    baseline: Baseline | None = None
    bits: bool = False

    def context(self, **choices: Any) -> Context:
        """Context of one forward pass on this run's backend."""
        return Context(self.backend, bptt_checkpoint=self.train.bptt_checkpoint, **choices)

    def epoch_length(self) -> int:
        """Updates that count as one epoch."""
        return self.train.updates_per_epoch or self.dataset.updates_per_epoch(self.train.batch_size)

    def total_steps(self) -> int:
        """Updates the configuration asks for."""
        return self.train.steps or self.train.epochs * self.epoch_length()


def open_parts(config: Config, log: Callable[[str], None]) -> Parts:
    """Build the parts of a configuration and open its data.

    Parameters
    ----------
    config : Config
        Resolved.
    log : callable
        Takes a line about data that is downloaded or replaced.

    Raises
    ------
    ConfigError, DataError, BackendError
        If one of them cannot be had.
    """
    train, built = config.train, config.build()
    backend = get_backend(train.device, threads=train.threads, tf32=train.tf32)
    if backend.simulated:
        log("The CUDA device is simulated, a thread of Python's for each of its own: for tests of tiny sizes.")
    dataset = built.task.open(train.data, Path(train.data_dir) if train.data_dir else None, log)
    if train.device != "cpu" and type(dataset) is StoredDataset:
        dataset = dataset.moved(backend.put)
    return Parts(
        train=train,
        model=config.build(dataset).model,
        dataset=dataset,
        optimizer=built.optimizer,
        schedule=built.schedule,
        loss=registry.losses.get(built.task.loss),
        backend=backend,
        metric=built.task.metric,
        higher=built.task.higher_is_better,
        baseline=getattr(dataset, "baseline", built.task.baseline),
        bits=getattr(built.task, "bits", False),
    )


def on_device(backend: Any, batch: Batch) -> Batch:
    """A batch whose input and targets lie where the kernels run."""
    return batch._replace(x=backend.put(batch.x), target=backend.put(batch.target))


def start_of(batch: Batch, carried: State | None) -> State | None:
    """The states a batch starts from, given those the batch before left; None for zeros."""
    return carried if batch.chunk else None


def left_by(batch: Batch, final: State) -> State | None:
    """The states a batch leaves to the next; None if the next one has sequences of its own."""
    return final if batch.chunk is not None else None


def counted(batch: Batch, output: Array) -> Array | None:
    """1 for the time steps (T, B) that lie inside their sequence and are not masked; None if every one counts."""
    if output.ndim < 3 or (batch.lengths is None and batch.mask is None):
        return None
    inside = np.ones(output.shape[:2], bool)
    if batch.lengths is not None:
        inside &= np.arange(len(output))[:, None] < batch.lengths
    if batch.mask is not None:
        inside &= batch.mask
    return namespace(output).asarray(inside.astype(output.dtype))


def hits(batch: Batch, output: Array, weight: Array | None) -> tuple[int, int]:
    """How many of the targets that accuracy counts were hit, and their number; 0 of 0 where these are plain values.

    A target made of bits is hit if all of them are. `weight` is what `counted` says.
    """
    target, output, weight = _scored(batch, output, weight)
    count = int(np.prod(output.shape[:-1])) if weight is None else int(weight.sum())
    if target.dtype == bool:
        return int(np.count_nonzero(right_bits(output, target, weight) == output.shape[-1])), count
    if target.dtype.kind not in "iu" or target.ndim != output.ndim - 1:
        return 0, 0
    return accuracy(output, target, weight), count


def bit_hits(batch: Batch, output: Array, weight: Array | None) -> tuple[int, int]:
    """As `hits`, of single bits; 0 of 0 where targets are not made of bits."""
    target, output, weight = _scored(batch, output, weight)
    if target.dtype != bool:
        return 0, 0
    count = target.size if weight is None else int(weight.sum()) * output.shape[-1]
    return int(right_bits(output, target, weight).sum()), count


def _scored(batch: Batch, output: Array, weight: Array | None) -> tuple[Array, Array, Array | None]:
    """Targets, outputs and weights that accuracy counts."""
    return batch.target[batch.scored], output[batch.scored], weight if weight is None else weight[batch.scored]
