"""The copying memory task: a few symbols, a long silence, a marker, and the symbols are to be said again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from npr.errors import ConfigError
from npr.fields import one_of, whole
from npr.registry import tasks
from npr.tasks.base import Baseline, Batch
from npr.tasks.fresh import Drawn, FreshTask


@tasks.register("copy")
@dataclass(frozen=True)
class Copy(FreshTask):
    """Symbols to be said again in order after `delay` steps of silence; fresh sequences in every update.

    With c = copy_length, T = delay, 0 the blank and labels + 1 the marker, both variants want T + c blanks and
    then the c symbols. Loss: cross-entropy, averaged over all T + 2c steps. Accuracy: over the last c steps alone.
    Without memory the best is to answer blanks, then to guess: a loss of c ln(labels) / (T + 2c).

    variant : "nnrnn" symbols, T - 1 blanks, marker, c blanks: recall begins one step after the marker;
        "exprnn" symbols, T blanks, marker, c - 1 blanks: recall begins at the step of the marker
    delay : T, steps between the last symbol and the first one recalled, at least 1
    labels : how many symbols there are, 1 to 8
    copy_length : c, symbols per sequence
    one_hot : present a step as a vector of labels + 2; false for the plain number 0..labels+1 as one input
    vary : in training, draw the delay of each batch uniformly from 1..T-1; validation and test keep T,
        and there is no one baseline

    Source: nnrnn nnRNN/nnRNN_release copytask.py, also the form of EUNN and scoRNN, where one-hot input is off
    by default but was on in the published runs; its randint(1, T) leaves out T; exprnn Lezcano/expRNN
    1_copying.py, which averages accuracy over all steps.
    """

    variant: str = "nnrnn"
    delay: int = 200
    labels: int = 8
    copy_length: int = 10
    one_hot: bool = True
    vary: bool = False

    name: ClassVar[str] = "copy"
    readout: ClassVar[str] = "every"
    loss: ClassVar[str] = "cross-entropy"
    metric: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(("nnrnn", "exprnn"), variant=self.variant)
        whole("[1, 1e6]", delay=self.delay, copy_length=self.copy_length)
        whole("[1, 8]", labels=self.labels)
        if self.vary and self.delay < 2:
            raise ConfigError(f"delay = {self.delay}: with vary = true it must be at least 2, to leave a choice.")

    @property
    def input_size(self) -> int:
        """One entry per symbol, blank and marker, or a single number."""
        return self.labels + 2 if self.one_hot else 1

    @property
    def output_size(self) -> int:
        """Symbols and the blank."""
        return self.labels + 1

    @property
    def seq_len(self) -> int:
        """T + 2c, the longest where delays vary."""
        return self.delay + 2 * self.copy_length

    @property
    def baseline(self) -> Baseline | None:
        """Blanks, then a guess; None where delays vary."""
        if self.vary:
            return None
        return Baseline("blanks, then guesses", self.copy_length * math.log(self.labels) / self.seq_len)

    def fixed(self) -> Copy:
        """The same task with the full delay."""
        return replace(self, vary=False)

    def draw(self, rng: np.random.Generator, batches: int, size: int) -> Drawn:
        """Symbols (batches, c, size), 1..labels, and delays (batches, size), equal within a batch; int64."""
        delays = rng.integers(1, self.delay, batches) if self.vary else np.full(batches, self.delay)
        symbols = rng.integers(1, self.labels + 1, (batches, self.copy_length, size))
        return symbols, delays[:, None].repeat(size, axis=1)

    def show(self, drawn: Drawn, dtype: DTypeLike) -> Batch:
        """Input (T + 2c, B, input_size) of `dtype`, target (T + 2c, B) int64; accuracy counts the last c steps."""
        symbols, delays = drawn
        recall = self.copy_length + int(delays[0])
        target = np.zeros((recall + self.copy_length, symbols.shape[1]), np.int64)
        target[recall:] = symbols
        vectors = (
            np.eye(self.labels + 2, dtype=dtype) if self.one_hot else np.arange(self.labels + 2, dtype=dtype)[:, None]
        )
        x = np.empty((*target.shape, self.input_size), dtype)
        # Nearly all of it is silence: a whole step at a time, one symbol at a time takes twice as long.
        x[0] = vectors[0]
        x[1:] = x[0]
        x[: self.copy_length] = vectors.take(symbols, axis=0)
        x[recall - 1 if self.variant == "nnrnn" else recall] = vectors[self.labels + 1]
        return Batch(x, target, scored=slice(recall, None))
