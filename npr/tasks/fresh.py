"""Sequences that are drawn and never stored: new ones in every update, the same ones in every validation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import DTypeLike

from npr.errors import ConfigError, DataError
from npr.fields import whole
from npr.registry import unknown
from npr.tasks.base import Array, Batch, Log, to_stderr

# Updates that count as one epoch, since there is no end of the training data to reach.
EPOCH = 1000
# Random numbers are drawn for up to so many batches and time steps at once: single calls cost more than the numbers.
_BATCHES, _STEPS = 64, 2**16
Drawn = tuple[Array, ...]


class Purpose(IntEnum):
    """First word of every seed, so that no two splits share a sequence; fixed, as results depend on it."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


class Source(Protocol):
    """Something that makes sequences."""

    @property
    def name(self) -> str:
        """The task's name."""

    @property
    def seq_len(self) -> int:
        """Time steps of the longest sequence."""

    def draw(self, rng: np.random.Generator, batches: int, size: int) -> Drawn:
        """All that is random in batches of `size` sequences: arrays (batches, ..., size)."""

    def show(self, drawn: Drawn, dtype: DTypeLike) -> Batch:
        """The batch that follows from arrays (..., size)."""


class FreshStream:
    """Endless batches, each drawn when it is asked for.

    Parameters
    ----------
    source : Source
        Where they come from.
    batch_size : int
        Sequences per batch.
    seed : int
        Seed of the sequences, at least 0.
    dtype : dtype
        Of the input.
    """

    def __init__(self, source: Source, batch_size: int, seed: int, dtype: DTypeLike) -> None:
        self._source, self._batch_size, self._seed, self._dtype = source, batch_size, seed, dtype
        self._rng = np.random.default_rng([Purpose.TRAIN, seed])
        self._block = min(max(_STEPS // (source.seq_len * batch_size), 1), _BATCHES)
        self._draw()

    def next(self) -> Batch:
        """The next batch."""
        if self._used == self._block:
            self._draw()
        self._used += 1
        return self._source.show(tuple(array[self._used - 1] for array in self._drawn), self._dtype)

    def state(self) -> dict[str, Any]:
        """The seed, the generator as it stood before the present block of batches, and how many of it are used."""
        return {"seed": self._seed, "rng": self._before, "used": self._used}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position given by `state()`.

        Raises
        ------
        DataError
            If the state is not one of a stream with the same seed.
        """
        wrong = DataError(
            f"The stored position in the training data, {state}, is not one of the stream with seed {self._seed}. "
            f"Resume with the task and seed that the run was started with."
        )
        used = state.get("used")
        fits = {**self.state(), "rng": state.get("rng"), "used": used} == state
        if not fits or not isinstance(used, int) or not 0 <= used <= self._block:
            raise wrong
        try:
            self._rng.bit_generator.state = state["rng"]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise wrong from None
        self._draw()
        self._used = used

    def _draw(self) -> None:
        """The random numbers of the next block of batches."""
        self._before = self._rng.bit_generator.state
        self._drawn, self._used = self._source.draw(self._rng, self._block, self._batch_size), 0


class FreshDataset:
    """Endless training sequences, and fixed sets to measure on; see `npr.tasks.base.Dataset`.

    Parameters
    ----------
    train, fixed : Source
        What is trained on, and what the validation and test sets are drawn from.
    sizes : dict of int
        Sequences in the "validation" and in the "test" set.
    data_seed : int
        Seed of these two sets.
    """

    notice = ""

    def __init__(self, train: Source, fixed: Source, sizes: dict[str, int], data_seed: int) -> None:
        self.name, self.sizes = train.name, sizes
        self.provenance = {"data": "fresh", "source": "drawn", "data_seed": data_seed, **sizes}
        self._train, self._fixed, self._seed = train, fixed, data_seed

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> FreshStream:
        """Endless training batches of `seed`, which is at least 0."""
        whole("[1, inf)", batch_size=batch_size)
        whole("[0, inf)", seed=seed)
        return FreshStream(self._train, batch_size, seed, dtype)

    def batches(self, split: str, batch_size: int, dtype: DTypeLike = np.float32) -> Iterator[Batch]:
        """Every sequence of a fixed set once, in order; the last batch may be smaller, an empty set has none.

        Raises
        ------
        ConfigError
            If there is no set of that name; training sequences are not kept.
        """
        if split not in self.sizes:
            raise ConfigError(unknown("split", split, sorted(self.sizes)))
        whole("[1, inf)", batch_size=batch_size)
        rng = np.random.default_rng([Purpose[split.upper()], self._seed])
        drawn = self._fixed.draw(rng, 1, self.sizes[split])
        pieces = (slice(start, start + batch_size) for start in range(0, self.sizes[split], batch_size))
        return (self._fixed.show(tuple(array[0, ..., piece] for array in drawn), dtype) for piece in pieces)

    def updates_per_epoch(self, batch_size: int) -> int:
        """A nominal number: no sequence comes twice."""
        return EPOCH


@dataclass(frozen=True)
class FreshTask:
    """The options of every task that draws its own sequences.

    data_seed : seed of the validation and test sets; training sequences follow from the run's own seed
    validation_size, test_size : sequences in these sets
    """

    data_seed: int = 1
    validation_size: int = 1000
    test_size: int = 1000

    name: ClassVar[str]
    sets: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        whole("[0, 1e6]", validation_size=self.validation_size, test_size=self.test_size)
        whole("[0, inf)", data_seed=self.data_seed)

    def fixed(self) -> Source:
        """What the validation and test sets are drawn from: the task itself, which is a `Source`."""
        return cast(Source, self)

    def open(
        self, data: str = "auto", data_dir: str | os.PathLike[str] | None = None, log: Log = to_stderr
    ) -> FreshDataset:
        """The data set, which takes no files.

        Parameters
        ----------
        data : str
            "auto" or "synthetic", which are the same here.
        data_dir : path or None
            Not used.
        log : callable
            Is told so if a folder was named.

        Raises
        ------
        ConfigError
            If `data` names a data set.
        """
        if data not in ("auto", "synthetic"):
            raise ConfigError(f"data = '{data}': the task {self.name} draws its own sequences. Leave it at 'auto'.")
        if data_dir is not None:
            log(f"data: {self.name} draws its own sequences, nothing is read from '{os.fspath(data_dir)}'")
        sizes = {"validation": self.validation_size, "test": self.test_size}
        return FreshDataset(cast(Source, self), self.fixed(), sizes, self.data_seed)
