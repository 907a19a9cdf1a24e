"""One training step of a tanh RNN as plain arrays: sizes, weights, input and target, the same for every library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import TF32, Arrays, Problem


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """One recurrent layer, ten classes read after the last step.

    input_gradient : whether every library also computes dL/dx, as below another layer
    bidirectional : whether a second layer reads the sequence from its end; read are the last outputs of both
    """

    input_gradient: bool = False
    bidirectional: bool = False

    cuda_peers = ("torch", TF32)

    @property
    def places(self) -> tuple[str, ...]:
        """What the names of a layer's parameters begin with, one for each direction."""
        return ("layers.0.forward.", "layers.0.backward.") if self.bidirectional else ("layers.0.",)

    @property
    def read_size(self) -> int:
        """The units of every direction."""
        return len(self.places) * self.hidden_size

    @property
    def products(self) -> int:
        """One with the recurrent and one with the input weights; dL/dx counts whether or not it is computed."""
        weights = self.hidden_size * (self.hidden_size + self.input_size)
        return len(self.places) * 2 * self.seq_len * self.batch_size * weights

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=21, batch_size=10, hidden_size=35, input_size=min(self.input_size, 19))


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Glorot normal weights, an orthogonal W_rec, biases off 0, and random data.

    Orthogonal as `rnn-orth` starts: the gradient shrinks by tanh alone and reaches the first step above the smallest
    normal float32, so that nobody is slowed down by subnormal numbers. Sequences of more than 1,000 steps drive the
    states less for the same reason.
    """
    rng = np.random.default_rng(seed)
    n, fan_in = case.hidden_size, case.input_size
    drive = min(1.0, 1000 / case.seq_len)
    params: Arrays = {}
    for place in case.places:
        params[f"{place}W_in"] = drive * rng.normal(0.0, np.sqrt(2 / (fan_in + n)), (fan_in, n))
        params[f"{place}bias"] = drive * rng.uniform(-0.05, 0.05, n)
        params[f"{place}recurrent.W"] = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return with_readout(case, params, rng, dtype)


def with_readout(case: problem.Case, params: Arrays, rng: np.random.Generator, dtype: DTypeLike) -> Problem:
    """The problem of a layer's parameters: a readout by Glorot, uniform inputs, random classes."""
    n = case.read_size
    params |= {
        "readout.W": rng.normal(0.0, np.sqrt(2 / (n + case.classes)), (n, case.classes)),
        "readout.bias": rng.uniform(-0.05, 0.05, case.classes),
    }
    x = rng.uniform(-1.0, 1.0, (case.seq_len, case.batch_size, case.input_size))
    return problem.rounded(case, params, x, rng.integers(0, case.classes, case.batch_size), dtype)
