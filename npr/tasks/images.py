"""Images read pixel by pixel: one byte array in memory, batches gathered from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npr.arrays import namespace
from npr.errors import DataError
from npr.tasks.base import Batch
from npr.tasks.stored import Indices

Bytes = NDArray[np.uint8]


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

    def order(self, rng: np.random.Generator, batch_size: int) -> Indices:
        """`rows` in the order `rng.permutation(n)`."""
        return self.rows[rng.permutation(len(self.rows))]

    def moved(self, put: Callable[[Any], Any]) -> Part:
        """The same images, as bytes, where `put` places arrays: batches are then gathered and permuted there."""
        shown = Presentation(*(put(array) for array in self.presentation))
        return self._replace(pixels=put(self.pixels), labels=put(self.labels), presentation=shown)

    def batch(self, rows: Indices, dtype: DTypeLike) -> Batch:
        """The images `rows`: x (P, B, 1) of `dtype`, C-contiguous, and target (B,) int64."""
        xp = namespace(self.pixels)
        if xp is not np:
            rows = xp.asarray(rows)
        turned = self.pixels.take(rows, axis=0).T.take(self.presentation.order, axis=0)
        if xp is not np:
            x = self.presentation.table.astype(dtype).take(turned)[:, :, None]
            return Batch(x, self.labels.take(rows).astype(np.int64))
        x = np.empty((*turned.shape, 1), dtype)
        self.presentation.table.astype(dtype).take(turned, out=x[:, :, 0], mode="clip")
        return Batch(x, self.labels.take(rows).astype(np.int64))


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
