"""What all families share: a case with its goals, and one step as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray
Arrays = dict[str, Array]
CHANGE = "change."  # before the name of a parameter: new minus old, which only float64 steps report
GROUPS = ("", "throughput", "small")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Sizes of one case and the figures it has to reach (0 = none); every family adds its own fields.

    Parameters
    ----------
    group : {"", "throughput", "small"}
        The geometric mean that its ratio enters; a case that was added later enters none.
    goal_ratio, goal_share : float
        npr against the best peer; npr's FLOP rate against the tile product in cache, or, where a case counts what it
        moves through memory instead, its bandwidth against the triad.
    forward : bool
        Whether the step ends with the loss, without gradients.

    tolerances : largest difference that agreement accepts, relative to the largest value of an array, by type;
        more special keys "type, sensitivity" and "type, sensitivity, library" come first
    peers : the libraries that npr is compared with
    splits : whether a forward pass alone is a case of its own
    """

    name: str
    seq_len: int
    batch_size: int
    hidden_size: int
    input_size: int = 1
    classes: int = 10
    group: str = ""
    goal_ratio: float = 0.0
    goal_share: float = 0.0
    forward: bool = False

    tolerances: ClassVar[Mapping[str, float]] = {"float64": 1e-8, "float32": 1e-4}
    peers: ClassVar[tuple[str, ...]] = ("torch", "jax")
    splits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"case {self.name}: group = {self.group!r} is none of {GROUPS}")

    @property
    def sensitivity(self) -> str:
        """What makes this case sensitive to rounding, a part of the keys of `tolerances`; empty for nothing."""
        return ""

    @property
    def read_size(self) -> int:
        """Units that the readout sees."""
        return self.hidden_size

    @property
    def products(self) -> int:
        """FLOPs of the matrix products of one forward pass."""
        raise NotImplementedError

    @property
    def flops(self) -> int:
        """Of the matrix products of one step; a backward pass has two for each of the forward pass."""
        return self.products * (1 if self.forward else 3)

    @property
    def traffic(self) -> int:
        """Bytes that one step has to move through memory, where that and not products is its work; else 0."""
        return 0

    def freed(self, **sizes: Any) -> Self:
        """The case at other sizes, in no group and without goals."""
        return replace(self, group="", goal_ratio=0.0, goal_share=0.0, **sizes)

    def tiny(self) -> Self:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        raise NotImplementedError


class Problem(NamedTuple):
    """What one step works on: parameters under npr's names, x (T, B, D), target (B,) or (T, B) int64."""

    case: Any
    params: Arrays
    x: Array
    target: Array


class Step(NamedTuple):
    """A library's step: `run` returns when all results are in memory, `collect` names them."""

    run: Callable[[], Any]
    collect: Callable[[Any], Arrays]


class Library(Protocol):
    """A module of `own`, `torch_peer` or `jax_peer`."""

    def prepare(self, problem: Problem, threads: int) -> Step:
        """The step of this library, with its arrays in place."""


def rounded(case: Case, params: Arrays, x: Array, target: Array, dtype: DTypeLike) -> Problem:
    """The problem in `dtype`; through float32 always, so that both types work on the same numbers."""
    values = {name: value.astype(np.float32).astype(dtype) for name, value in params.items()}
    return Problem(case, values, x.astype(np.float32).astype(dtype), target)
