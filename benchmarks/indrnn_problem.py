"""One IndRNN training step as plain arrays: sizes, weights, input and target, the same for every library."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray
NORM_MOMENTUM = 0.1
NORM_EPS = 1e-5
MASK_SEED = 0


@dataclass(frozen=True)
class Case:
    """Sizes of one benchmark case and the figures it has to reach (0 = none)."""

    name: str
    seq_len: int
    batch_size: int
    layers: int
    hidden_size: int
    norm: str = "none"
    dropout: float = 0.0
    input_size: int = 1
    classes: int = 10
    mean: bool = True
    goal_ratio: float = 0.0
    goal_share: float = 0.0

    @property
    def flops(self) -> int:
        """Of the products of one forward and backward pass: three in every layer above the first."""
        return 3 * (self.layers - 1) * 2 * self.seq_len * self.batch_size * self.hidden_size**2

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        free = replace(self, mean=False, goal_ratio=0.0, goal_share=0.0)
        return replace(free, seq_len=21, batch_size=10, layers=min(self.layers, 3), hidden_size=35)


class Problem(NamedTuple):
    """What one step works on: parameters under npr's names, x (T, B, D), target (B,) int64."""

    case: Case
    params: dict[str, Array]
    x: Array
    target: Array


class Step(NamedTuple):
    """A library's training step: `run` returns when all results are in memory, `collect` names them."""

    run: Callable[[], Any]
    collect: Callable[[Any], dict[str, Array]]


def load_cases(file: Path) -> dict[str, Case]:
    """The cases of a TOML file by name, in its order."""
    with file.open("rb") as stream:
        return {name: Case(name=name, **fields) for name, fields in tomllib.load(stream).items()}


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """Weights of the published initialisation (biases and norms moved off 0 and 1) and random data.

    The recurrent weights are U(0, 2^(1/T)), those of the last layer U(2^(-1/T), 2^(1/T)): values a training
    run sees, so that underflow in the backward pass costs every library what it costs in practice.
    """
    rng = np.random.default_rng(seed)
    n, top = case.hidden_size, 2.0 ** (1 / case.seq_len)
    params: dict[str, Array] = {}
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
    # Through float32 always, so that both types work on the same numbers.
    params = {name: value.astype(np.float32).astype(dtype) for name, value in params.items()}
    return Problem(case, params, x.astype(np.float32).astype(dtype), target)


def draw_masks(case: Case, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> list[Array]:
    """Dropout masks (B, n) of one step, layer by layer, as npr draws them; none without dropout."""
    if not case.dropout:
        return []
    size = (case.batch_size, case.hidden_size)
    kept = [rng.random(size, np.float32) >= case.dropout for _ in range(case.layers)]
    return [one.astype(dtype) / np.asarray(1.0 - case.dropout, dtype) for one in kept]


def disagreement(found: dict[str, Array], expected: dict[str, Array]) -> dict[str, float]:
    """Largest difference of every array over the largest value expected in it; infinite where one is NaN.

    Raises
    ------
    ValueError
        If names or shapes differ.
    """
    if found.keys() != expected.keys():
        raise ValueError(f"different arrays: {sorted(found.keys() ^ expected.keys())}")
    worst = {}
    for name, value in expected.items():
        if found[name].shape != value.shape:
            raise ValueError(f"{name}: shape {found[name].shape}, expected {value.shape}")
        scale = float(np.abs(value).max()) or 1.0
        difference = float(np.abs(found[name].astype(np.float64) - value).max()) / scale
        worst[name] = difference if np.isfinite(difference) else float("inf")
    return worst
