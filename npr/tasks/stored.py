"""Examples that lie in memory: endless batches in a seeded order, every example once, and a place to go on from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npr.errors import ConfigError, DataError
from npr.registry import unknown
from npr.tasks.base import Batch

Indices = NDArray[np.int64]


class Part(Protocol):
    """The examples of one split."""

    @property
    def rows(self) -> Indices:
        """Their numbers (n,), in the order in which they are measured."""

    def order(self, rng: np.random.Generator, batch_size: int) -> Indices:
        """`rows` in the order in which an epoch trains on them."""

    def batch(self, rows: Indices, dtype: DTypeLike) -> Batch:
        """The examples `rows`, with an input of `dtype`."""


class StoredStream:
    """Endless full batches of a part.

    Epoch e runs through `part.order(default_rng([seed, e]), batch_size)`. The pointer runs on from one epoch
    into the next, so a batch may hold the end of one and the start of another.

    Parameters
    ----------
    part : Part
        The examples.
    batch_size : int
        Examples per batch.
    seed : int
        Seed of the order, at least 0.
    dtype : dtype
        Of the input.
    content : dict, optional
        What tells the examples from others, JSON values; a position fits no stream with another one.
    """

    def __init__(
        self, part: Part, batch_size: int, seed: int, dtype: DTypeLike, content: dict[str, Any] | None = None
    ) -> None:
        self._part, self._batch_size, self._dtype = part, batch_size, dtype
        self._seed, self._content = seed, content or {}
        self._go_to(0, 0)

    def next(self) -> Batch:
        """The next batch."""
        pieces: list[Indices] = []
        wanted = self._batch_size
        while wanted:
            piece = self._order[self._position : self._position + wanted]
            pieces.append(piece)
            wanted -= len(piece)
            self._position += len(piece)
            if self._position == len(self._order):
                self._go_to(self._epoch + 1, 0)
        return self._part.batch(np.concatenate(pieces), self._dtype)

    def state(self) -> dict[str, Any]:
        """Epoch, examples of it already used, and what the order depends on."""
        return {"epoch": self._epoch, "position": self._position, **self._fixed()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position given by `state()`.

        Raises
        ------
        DataError
            If the state is not one of a stream over these examples, as far as it says, with the same seed.
        """
        epoch, position = (state.get(key) for key in ("epoch", "position"))
        fits = {**self._fixed(), "epoch": epoch, "position": position} == state
        if fits and isinstance(epoch, int) and isinstance(position, int) and self._holds(epoch, position):
            self._go_to(epoch, position)
            return
        raise DataError(
            f"The stored position in the training data, {state}, does not fit {self._fixed()}. "
            f"Resume with the data, split and seed that the run was started with."
        )

    def _holds(self, epoch: int, position: int) -> bool:
        return epoch >= 0 and 0 <= position < len(self._part.rows)

    def _fixed(self) -> dict[str, Any]:
        return {"seed": self._seed, "examples": len(self._part.rows), **self._content}

    def _go_to(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        self._order = self._part.order(np.random.default_rng([self._seed, epoch]), self._batch_size)


class StoredDataset:
    """The "train", "validation" and "test" examples of a task; see `npr.tasks.base.Dataset`.

    Parameters
    ----------
    name : str
        The task's name in all output.
    parts : mapping of Part
        The examples of every split.
    provenance : dict
        Where they come from and how they were cut, JSON values.
    notice : str
        What must be said once more at the end; empty for real data.
    content : dict, optional
        What tells the training examples from others, JSON values; part of every stored position.
    """

    def __init__(
        self,
        name: str,
        parts: Mapping[str, Part],
        provenance: dict[str, Any],
        notice: str = "",
        content: dict[str, Any] | None = None,
    ) -> None:
        self.name, self.provenance, self.notice = name, provenance, notice
        self._parts, self._content = parts, content

    def moved(self, put: Callable[[Any], Any]) -> StoredDataset:
        """The same data set with those examples on a device that can be there; the others go batch by batch."""
        parts = {name: part.moved(put) if hasattr(part, "moved") else part for name, part in self._parts.items()}
        return StoredDataset(self.name, parts, self.provenance, self.notice, self._content)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of examples of every split."""
        return {name: len(part.rows) for name, part in self._parts.items()}

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> StoredStream:
        """Endless training batches in the order of `seed`, which is at least 0."""
        if seed < 0:
            raise ConfigError(f"seed = {seed}: a seed is at least 0.")
        return StoredStream(self._parts["train"], _positive(batch_size), seed, dtype, self._content)

    def batches(self, split: str, batch_size: int, dtype: DTypeLike = np.float32) -> Iterator[Batch]:
        """Every example of a split once, in order; the last batch may be smaller, an empty split has none.

        Raises
        ------
        ConfigError
            If there is no split of that name.
        """
        if split not in self._parts:
            raise ConfigError(unknown("split", split, sorted(self._parts)))
        part = self._parts[split]
        size = _positive(batch_size)
        pieces = (part.rows[start : start + size] for start in range(0, len(part.rows), size))
        return (part.batch(piece, dtype) for piece in pieces)

    def updates_per_epoch(self, batch_size: int) -> int:
        """Batches that show every training example at least once."""
        return -(-self.sizes["train"] // _positive(batch_size))


def _positive(batch_size: int) -> int:
    if batch_size < 1:
        raise ConfigError(f"batch_size = {batch_size}: a batch holds at least one sequence.")
    return batch_size
