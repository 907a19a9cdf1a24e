"""Images read pixel by pixel: one byte array in memory, batches gathered from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npr.errors import ConfigError, DataError
from npr.registry import unknown
from npr.tasks.base import Batch

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]


class Presentation(NamedTuple):
    """How P pixels become inputs.

    order : (P,) int64, position j of the sequence shows pixel order[j]
    table : (256,) float64, the input for every byte
    """

    order: Indices
    table: NDArray[np.float64]


class Part(NamedTuple):
    """The images `rows` (n,) of pixels (N, P) uint8 with labels (N,) uint8, which several parts may share."""

    pixels: Bytes
    labels: Bytes
    rows: Indices
    presentation: Presentation

    def batch(self, rows: Indices, dtype: DTypeLike) -> Batch:
        """The images `rows`: x (P, B, 1) of `dtype`, C-contiguous, and target (B,) int64."""
        turned = self.pixels.take(rows, axis=0).T.take(self.presentation.order, axis=0)
        x = np.empty((*turned.shape, 1), dtype)
        self.presentation.table.astype(dtype).take(turned, out=x[:, :, 0], mode="clip")
        return Batch(x, self.labels.take(rows).astype(np.int64))


class ImageStream:
    """Endless full batches of a part.

    Epoch e runs through `rows[default_rng([seed, e]).permutation(n)]`. The pointer runs on from one epoch
    into the next, so a batch may hold the end of one and the start of another.

    Parameters
    ----------
    part : Part
        The images.
    batch_size : int
        Images per batch.
    seed : int
        Seed of the order, at least 0.
    dtype : dtype
        Of the input.
    """

    def __init__(self, part: Part, batch_size: int, seed: int, dtype: DTypeLike) -> None:
        self._part, self._batch_size, self._seed, self._dtype = part, batch_size, seed, dtype
        self._go_to(0, 0)

    def next(self) -> Batch:
        """The next batch, x (P, B, 1)."""
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
        """Epoch, images of it already used, and what the order depends on."""
        return {"epoch": self._epoch, "position": self._position, **self._fixed()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position given by `state()`.

        Raises
        ------
        DataError
            If the state is not one of a stream over as many examples with the same seed.
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
        return {"seed": self._seed, "examples": len(self._part.rows)}

    def _go_to(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        shuffle = np.random.default_rng([self._seed, epoch]).permutation(len(self._part.rows))
        self._order = self._part.rows[shuffle]


class ImageDataset:
    """The "train", "validation" and "test" images of a task; see `npr.tasks.base.Dataset`.

    Parameters
    ----------
    name : str
        The task's name in all output.
    parts : dict of Part
        The images of every split.
    provenance : dict
        Where they come from and how they were cut, JSON values.
    notice : str
        What must be said once more at the end; empty for real data.
    """

    def __init__(self, name: str, parts: dict[str, Part], provenance: dict[str, Any], notice: str = "") -> None:
        self.name, self.provenance, self.notice = name, provenance, notice
        self._parts = parts

    @property
    def sizes(self) -> dict[str, int]:
        """Number of images of every split."""
        return {name: len(part.rows) for name, part in self._parts.items()}

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> ImageStream:
        """Endless training batches in the order of `seed`, which is at least 0."""
        if seed < 0:
            raise ConfigError(f"seed = {seed}: a seed is at least 0.")
        return ImageStream(self._parts["train"], _positive(batch_size), seed, dtype)

    def batches(self, split: str, batch_size: int, dtype: DTypeLike = np.float32) -> Iterator[Batch]:
        """Every image of a split once, in order; the last batch may be smaller, an empty split has none.

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
        """Batches that show every training image at least once."""
        return -(-self.sizes["train"] // _positive(batch_size))


def _positive(batch_size: int) -> int:
    if batch_size < 1:
        raise ConfigError(f"batch_size = {batch_size}: a batch holds at least one sequence.")
    return batch_size


def flatten(pixels: Bytes, labels: Bytes, where: str) -> tuple[Bytes, Bytes]:
    """Images (N, 28, 28) as (N, 784), with their labels (N,), without copying.

    Raises
    ------
    DataError
        Naming `where`, if the arrays are not that many 28 x 28 images and labels from 0 to 9.
    """
    if pixels.shape[1:] != (28, 28) or len(pixels) != len(labels) or not len(labels) or labels.max() > 9:
        raise DataError(
            f"{where}: expected as many 28 x 28 images as labels from 0 to 9, "
            f"found images {pixels.shape} and {len(labels)} labels."
        )
    return pixels.reshape(len(pixels), -1), labels
