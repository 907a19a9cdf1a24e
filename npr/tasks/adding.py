"""The adding problem: two numbers of a long sequence are marked, and their sum is asked for at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from npr.errors import ConfigError
from npr.fields import one_of, whole
from npr.registry import tasks
from npr.tasks.base import Array, Baseline, Batch
from npr.tasks.fresh import Drawn, FreshTask


@tasks.register("adding")
@dataclass(frozen=True)
class Adding(FreshTask):
    """The sum of the two marked ones of `seq_len` numbers from U(0, 1); fresh sequences in every update.

    x_t = (number, marker), marker 1 at two steps and 0 elsewhere; target = sum of the numbers marked; loss MSE.
    The best answer without memory is 1, with the loss Var(U + U) = 1/6.

    seq_len : steps T, at least 2
    positions : where the two markers stand, counted from 0: "halves" one in [0, floor(T/2)) and one in
        [floor(T/2), T), "scornn" one in [0, floor((T-1)/2)) and one in [floor((T-1)/2), T), which takes
        T >= 3, "uniform" any two steps

    Source: halves Sunnydreamrain/IndRNN_Theano_Lasagne adding/adding.py, batzner/indrnn
    examples/addition_rnn.py and nnRNN/nnRNN_release adding_problem.py; scornn SpartinStuff/scoRNN;
    arXiv 1504.00941 prints the baseline as 0.1767, a slip for 0.1667.
    """

    seq_len: int = 100
    positions: str = "halves"

    name: ClassVar[str] = "adding"
    input_size: ClassVar[int] = 2
    output_size: ClassVar[int] = 1
    readout: ClassVar[str] = "last"
    loss: ClassVar[str] = "mse"
    metric: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False
    baseline: ClassVar[Baseline | None] = Baseline("always 1", 1 / 6)

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("[2, 1e6]", seq_len=self.seq_len)
        one_of(("halves", "scornn", "uniform"), positions=self.positions)
        if self.positions == "scornn" and self.seq_len < 3:
            raise ConfigError(f"seq_len = {self.seq_len}: positions = 'scornn' takes at least 3 steps.")

    def draw(self, rng: np.random.Generator, batches: int, size: int) -> Drawn:
        """Numbers (batches, T, size) float64, and the steps (batches, 2, size) int64 that are marked."""
        return rng.random((batches, self.seq_len, size)), self._steps(rng, (batches, size))

    def show(self, drawn: Drawn, dtype: DTypeLike) -> Batch:
        """Input (T, B, 2) and target (B, 1), both of `dtype`."""
        numbers, steps = drawn
        sequences = np.arange(numbers.shape[1])
        x = np.zeros((*numbers.shape, 2), dtype)
        x[:, :, 0] = numbers
        x[steps, sequences, 1] = 1
        return Batch(x, x[steps, sequences, 0].sum(axis=0)[:, None])

    def _steps(self, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
        if self.positions == "uniform":
            first, second = rng.integers(0, self.seq_len, shape), rng.integers(0, self.seq_len - 1, shape)
            return np.stack([first, second + (second >= first)], axis=1)
        middle = (self.seq_len - (self.positions == "scornn")) // 2
        return np.stack([rng.integers(0, middle, shape), rng.integers(middle, self.seq_len, shape)], axis=1)
