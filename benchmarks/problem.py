"""What all peer benchmarks share: a case with its goals, one step as plain arrays, and how far results differ."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike

Array = np.ndarray
Arrays = dict[str, Array]
CHANGE = "change."  # before the name of a parameter: new minus old, which only float64 steps report


@dataclass(frozen=True, kw_only=True)
class Case:
    """Sizes of one benchmark case and the figures it has to reach (0 = none); every benchmark adds its own fields.

    tolerances : largest difference that agreement accepts, relative to the largest value of an array, by type;
        more special keys "type, sensitivity" and "type, sensitivity, library" come first
    share_binds : whether the share of the ceiling is a condition now, or only reported beside its goal
    """

    name: str
    seq_len: int
    batch_size: int
    hidden_size: int
    input_size: int = 1
    classes: int = 10
    mean: bool = True
    goal_ratio: float = 0.0
    goal_share: float = 0.0
    share_binds: bool = True

    tolerances: ClassVar[Mapping[str, float]] = {"float64": 1e-8, "float32": 1e-4}

    @property
    def sensitivity(self) -> str:
        """What makes this case sensitive to rounding, a part of the keys of `tolerances`; empty for nothing."""
        return ""

    @property
    def flops(self) -> int:
        """Of the matrix products of one forward and backward pass."""
        raise NotImplementedError

    def tiny(self) -> Self:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        raise NotImplementedError


AnyCase = TypeVar("AnyCase", bound=Case)


class Problem(NamedTuple):
    """What one step works on: parameters under npr's names, x (T, B, D), target (B,) or (T, B) int64."""

    case: Any
    params: Arrays
    x: Array
    target: Array


class Step(NamedTuple):
    """A library's training step: `run` returns when all results are in memory, `collect` names them."""

    run: Callable[[], Any]
    collect: Callable[[Any], Arrays]


class Library(Protocol):
    """A module `<benchmark>_<library>`."""

    def prepare(self, problem: Problem, threads: int) -> Step:
        """The step of this library, with its arrays in place."""


def load_cases(file: Path, kind: type[AnyCase]) -> dict[str, AnyCase]:
    """The cases of a TOML file by name, in its order."""
    with file.open("rb") as stream:
        return {name: kind(name=name, **fields) for name, fields in tomllib.load(stream).items()}


def rounded(case: Case, params: Arrays, x: Array, target: Array, dtype: DTypeLike) -> Problem:
    """The problem in `dtype`; through float32 always, so that both types work on the same numbers."""
    values = {name: value.astype(np.float32).astype(dtype) for name, value in params.items()}
    return Problem(case, values, x.astype(np.float32).astype(dtype), target)


def disagreement(found: Arrays, expected: Arrays) -> dict[str, float]:
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
