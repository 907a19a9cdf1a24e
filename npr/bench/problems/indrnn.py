"""One IndRNN training step as plain arrays: sizes, weights, input and target, the same for every library.

Batch norm over time is sensitive in float32: rounding moves a few of some 1e7 pre-activations across the kink of
ReLU, each of which carries the gradient of all later steps, so that single entries of a gradient change by up to 5e-3
of its largest (seen in npr and in JAX, over seeds). PyTorch's batch norm adds 100,000 rows in float32 and comes to
4e-2. Without norm all stay within 1e-5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import Array, Arrays, Problem

NORM_MOMENTUM = 0.1
NORM_EPS = 1e-5
MASK_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """An IndRNN of `layers` layers with or without batch norm over time and dropout."""

    layers: int
    norm: str = "none"
    dropout: float = 0.0

    tolerances: ClassVar[dict[str, float]] = {
        **problem.Case.tolerances,
        "float32, norm": 2e-2,
        "float32, norm, torch": 1e-1,
    }
    peers = ("torch", "torch.compile", "jax")
    cuda_peers = ("torch", "torch-graph")

    @property
    def sensitivity(self) -> str:
        """Batch norm."""
        return "" if self.norm == "none" else "norm"

    @property
    def products(self) -> int:
        """One in every layer above the first."""
        return (self.layers - 1) * 2 * self.seq_len * self.batch_size * self.hidden_size**2

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=21, batch_size=10, layers=min(self.layers, 3), hidden_size=35)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Weights of the published initialisation (biases and norms moved off 0 and 1) and random data.

    The recurrent weights are U(0, 2^(1/T)), those of the last layer U(2^(-1/T), 2^(1/T)): values a training
    run sees, so that underflow in the backward pass costs every library what it costs in practice.
    """
    rng = np.random.default_rng(seed)
    n, top = case.hidden_size, 2.0 ** (1 / case.seq_len)
    params: Arrays = {}
    for layer in range(case.layers):
        fan_in = n if layer else case.input_size
        bound = np.sqrt(6 / (65 * fan_in))
        params[f"layers.{layer}.W_in"] = rng.uniform(-bound, bound, (fan_in, n))
        params[f"layers.{layer}.bias"] = rng.uniform(-0.05, 0.05, n)
        params[f"layers.{layer}.u"] = rng.uniform(1 / top if layer == case.layers - 1 else 0.0, top, n)
        if case.norm != "none":
            params[f"layers.{layer}.norm.gamma"] = rng.uniform(0.8, 1.2, n)
            params[f"layers.{layer}.norm.beta"] = rng.uniform(-0.1, 0.1, n)
    params["readout.W"] = rng.normal(0.0, np.sqrt(2 / n), (n, case.classes))
    params["readout.bias"] = rng.uniform(-0.05, 0.05, case.classes)
    x = rng.uniform(-1.0, 1.0, (case.seq_len, case.batch_size, case.input_size))
    target = rng.integers(0, case.classes, case.batch_size)
    return problem.rounded(case, params, x, target, dtype)


def draw_masks(case: Case, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> list[Array]:
    """Dropout masks (B, n) of one step, layer by layer, as npr draws them; none without dropout."""
    if not case.dropout:
        return []
    size = (case.batch_size, case.hidden_size)
    kept = [rng.random(size, np.float32) >= case.dropout for _ in range(case.layers)]
    return [one.astype(dtype) / np.asarray(1.0 - case.dropout, dtype) for one in kept]
