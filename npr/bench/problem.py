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
DEVICE = "device"  # the group that is measured on a device; it has no mean
GROUPS = ("", "throughput", "small", DEVICE)
TF32 = "torch-tf32"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Sizes of one case and the figures it has to reach (0 = none); every family adds its own fields.

    Parameters
    ----------
    group : {"", "throughput", "small", "device"}
        The geometric mean that its ratio enters; a case that was added later enters none. Cases of a device are one
        that has no mean.
    goal_ratio, goal_share : float
        npr against the best peer; npr's FLOP rate against the tile product in cache, or, where a case counts what it
        moves through memory instead, its bandwidth against the triad. On a device: against its rate of float32
        products, and against copying.
    forward : bool
        Whether the step ends with the loss, without gradients.

    tolerances : largest difference that agreement accepts, relative to the largest value of an array, by type;
        more special keys "type, sensitivity" and "type, sensitivity, library" come first
    peers, cuda_peers : the libraries that npr is compared with, on the CPU and on a device
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
    cuda_peers: ClassVar[tuple[str, ...]] = ()
    splits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"case {self.name}: group = {self.group!r} is none of {GROUPS}")

    def peers_on(self, device: str) -> tuple[str, ...]:
        """The libraries that npr is compared with on "cpu" or "cuda"."""
        return self.peers if device == "cpu" else self.cuda_peers

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

    def tiny_on(self, device: str) -> Self:
        """As `tiny`, on "cuda" for a simulator that makes a thread of Python's of every one of the device."""
        return self.tiny() if device == "cpu" else replace(self.tiny(), batch_size=2, hidden_size=4)


class Problem(NamedTuple):
    """What one step works on: parameters under npr's names, x (T, B, D), target (B,) or (T, B) int64, and where."""

    case: Any
    params: Arrays
    x: Array
    target: Array
    device: str = "cpu"


class Step(NamedTuple):
    """A library's step: `run` returns when all results are in memory, `collect` names them as arrays of the host.

    `held` gives the bytes of a device's memory that the library took at most; on the CPU the process is asked.
    """

    run: Callable[[], Any]
    collect: Callable[[Any], Arrays]
    held: Callable[[], int] | None = None


class Library(Protocol):
    """A module of `own`, `torch_peer` or `jax_peer`."""

    def prepare(self, problem: Problem, threads: int) -> Step:
        """The step of this library, with its arrays in place."""


def package(library: str) -> str:
    """The package behind the name of a library: "torch.compile" and "torch-tf32" are ways to run torch."""
    return library.replace("-", ".").partition(".")[0]


def rounded(case: Case, params: Arrays, x: Array, target: Array, dtype: DTypeLike) -> Problem:
    """The problem in `dtype`; through float32 always, so that both types work on the same numbers."""
    values = {name: value.astype(np.float32).astype(dtype) for name, value in params.items()}
    return Problem(case, values, x.astype(np.float32).astype(dtype), target)
