"""What training needs to know about a task and its data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray
Log = Callable[[str], None]


class Batch(NamedTuple):
    """A minibatch.

    x : (T, B, F) float, or (T, B) int symbols
    target : (B,) or (T, B) int classes, floats of the shape of the output, or bits of that shape as bool
    lengths : (B,) where sequences differ within the batch
    scored : the entries along the first axis of `target` that accuracy counts; the loss takes them all
    chunk : None for sequences of their own; 0 for the beginning of longer ones, which start from zero states; above
        0 for their continuation, which starts from the states that the batch before ended in
    mask : (T, B) bool, false where a target within its sequence counts in neither
    """

    x: Array
    target: Array
    lengths: Array | None = None
    scored: slice = slice(None)
    chunk: int | None = None
    mask: Array | None = None


class Baseline(NamedTuple):
    """What a network without memory reaches at best.

    name : the strategy, in a few words
    loss : its expected loss, in the unit of the task's own
    """

    name: str
    loss: float


class Stream(Protocol):
    """Endless training batches whose position can be stored and found again exactly."""

    def next(self) -> Batch:
        """The next batch; always full."""

    def state(self) -> dict[str, Any]:
        """The position, as JSON values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position that `state()` gave, in this process or another."""


class Dataset(Protocol):
    """Opened data of a task, cut into "train", "validation" and "test".

    Where the data alone decides about input_size, output_size, seq_len or baseline, it has attributes of these names,
    which hold instead of the task's.
    """

    @property
    def name(self) -> str:
        """The task's name, with "[synthetic]" after it where the data is not the real one."""

    @property
    def notice(self) -> str:
        """What the user must be told once more when the work is done; empty for real data."""

    @property
    def sizes(self) -> dict[str, int]:
        """Number of examples of every split; "validation" may be 0, and then nothing can be selected.

        There is no "train" where every update gets sequences that were never used before.
        """

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the data comes from and how it was cut: JSON values, stored with the run."""

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> Stream:
        """Endless training batches in a seeded order."""

    def batches(self, split: str, batch_size: int, dtype: DTypeLike = np.float32) -> Iterator[Batch]:
        """Every example of a split once, in order; the last batch may be smaller."""

    def updates_per_epoch(self, batch_size: int) -> int:
        """Full batches needed to see every training example, or a nominal number where none comes twice."""


class Task(Protocol):
    """A registered frozen dataclass: its fields are the user's options, the rest what a network must do.

    A task whose inputs are symbols (T, B) has discrete = True; one whose loss per target is also told in bits, as
    bpc, has bits = True; one that asks for what comes next in its own input, so that no reader may start from the end,
    has predicts = True.
    """

    @property
    def input_size(self) -> int:
        """Features per time step."""

    @property
    def output_size(self) -> int:
        """Outputs of the network."""

    @property
    def seq_len(self) -> int:
        """Time steps per sequence."""

    @property
    def readout(self) -> str:
        """ "last" or "every" time step."""

    @property
    def loss(self) -> str:
        """Name of the loss."""

    @property
    def metric(self) -> str:
        """Name of the figure that selects the best model."""

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""

    @property
    def baseline(self) -> Baseline | None:
        """What can be had without memory; None where no one figure says it."""

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of the data sets it may read, that of "auto" first; none for a task that draws its own."""

    def open(self, data: str = "auto", data_dir: Path | None = None, log: Log = ...) -> Dataset:
        """Find or make the data."""


def to_stderr(line: str) -> None:
    """The default log of tasks: a fallback to other data must never pass unseen."""
    print(line, file=sys.stderr)
