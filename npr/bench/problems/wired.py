"""One training step of the residual and of the densely connected IndRNN as plain arrays.

How the layers are wired is written once here, for arrays of any library; what a layer does is each library's own.
Published sizes: arXiv 1910.06251, section 4. Batch norm over time is as sensitive in float32 as in `indrnn.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

import npr
from npr.bench import problem
from npr.bench.problem import Problem
from npr.bench.problems import indrnn

# unit(i, x) is a recurrence with its norm, linear(name, x) a map, join(x, y) puts channels side by side.
Unit = Callable[[int, Any], Any]
Linear = Callable[[str, Any], Any]
Join = Callable[[Any, Any], Any]


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """`wiring` "residual": `blocks` is their number; "dense": `blocks` are layers of each, "8,6,4", and
    `hidden_size` is the growth."""

    wiring: str
    blocks: str
    norm: str = "none"

    tolerances: ClassVar[dict[str, float]] = indrnn.Case.tolerances
    peers = indrnn.Case.peers

    @property
    def sensitivity(self) -> str:
        """Batch norm."""
        return "" if self.norm == "none" else "norm"

    @property
    def products(self) -> int:
        """One for every linear map above the first; the readout is not counted."""
        if self.wiring == "residual":
            weights = 2 * int(self.blocks) * self.hidden_size**2
        else:
            weights = sum(reads * units for reads, units in model(self).widths()[1:])
        return 2 * self.seq_len * self.batch_size * weights

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        residual = self.wiring == "residual"
        return self.freed(
            seq_len=21, batch_size=10, hidden_size=17 if residual else 3, blocks="1" if residual else "2,1"
        )


def model(case: Case) -> Any:
    """npr's network of a case."""
    common = {"input_size": case.input_size, "output_size": case.classes, "seq_len": case.seq_len, "norm": case.norm}
    common |= {"norm_momentum": indrnn.NORM_MOMENTUM, "norm_eps": indrnn.NORM_EPS}
    if case.wiring == "residual":
        return npr.build("indrnn-residual", hidden_size=case.hidden_size, blocks=int(case.blocks), **common)
    return npr.build("indrnn-dense", growth=case.hidden_size, blocks=case.blocks, **common)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """The published initial values, biases and norms moved off 0 and 1, and random data."""
    rng = np.random.default_rng(seed)
    params = {name: value.astype(np.float64) for name, value in model(case).init(rng)[0].items()}
    for name, value in params.items():
        if name.endswith(("bias", "norm.beta", "norm.gamma")):
            value += rng.uniform(-0.05, 0.05, value.shape)
    x = rng.uniform(-1.0, 1.0, (case.seq_len, case.batch_size, case.input_size))
    return problem.rounded(case, params, x, rng.integers(0, case.classes, case.batch_size), dtype)


def residual(blocks: int, x: Any, unit: Unit, linear: Linear) -> Any:
    """The signal below the readout: stem, `blocks` times x + linear(unit(linear(unit(x)))), a unit."""
    x = linear("stem.", x)
    for first in range(0, 2 * blocks, 2):
        inner = x
        for i in (first, first + 1):
            inner = linear(f"layers.{i}.linear.", unit(i, inner))
        x = x + inner
    return unit(2 * blocks, x)


def dense(blocks: str, x: Any, layer: Unit, join: Join) -> Any:
    """The signal below the readout: a layer, per block pairs of layers whose output joins their input, a transition."""
    x, i = layer(0, x), 1
    for pairs in map(int, blocks.split(",")):
        for _ in range(pairs):
            x = join(x, layer(i + 1, layer(i, x)))
            i += 2
        x, i = layer(i, x), i + 1
    return x


def network(case: Case, x: Any, unit: Unit, linear: Linear, join: Join) -> Any:
    """The signal below the readout, in either wiring; a layer of the dense one is a linear map and a unit."""
    if case.wiring == "residual":
        return residual(int(case.blocks), x, unit, linear)

    def layer(i: int, x: Any) -> Any:
        return unit(i, linear(f"layers.{i}.", x))

    return dense(case.blocks, x, layer, join)
