"""Slice-major storage: a batch (T, B, F) as S independent slices (S, T + 1, R, F), row 0 for the initial state.

The number of slices depends on the batch alone, never on the number of threads, so results do not either.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

import numpy as np

Array = np.ndarray

# Rows of one product call: 8 full tiles of 12 rows, and 48 KiB of 128 float32 columns, in the second-level cache.
_TILE_ROWS = 96
_MOST_ROWS = 16
# A weight gradient of so many entries outgrows the second cache (0.6 of 1 MiB in float32), and every tile loads and
# stores all of it: then the tiles are twice as long.
_WIDE = 384**2


class Slicing(NamedTuple):
    """How one batch is cut: `batch` rows into `slices` of `rows`, and time into tiles of `steps`."""

    times: int
    batch: int
    slices: int
    rows: int
    steps: int
    lengths: Array  # (S, R) int64, 0 for rows that only fill the last slice
    ending: Array  # (B,) bool, whether the last step of a sequence is among these; all, unless this is a stretch

    @property
    def entries(self) -> int:
        """Number of valid (step, row) pairs."""
        return int(self.lengths.sum())

    def tile_steps(self, weights: int) -> int:
        """Steps of a tile for a kernel that adds up a gradient of so many entries in each."""
        return self.steps if weights < _WIDE else 2 * self.steps

    def whole_tiles(self, steps: int) -> int:
        """The next multiple of every kernel's tile from `steps` on."""
        return 2 * self.steps * -(-steps // (2 * self.steps))

    def split(self, x: Array) -> Array:
        """(T, B, F) to a new (S, T+1, R, F); row 0 is zero."""
        out = np.zeros((self.slices, self.times + 1, self.rows, x.shape[2]), x.dtype)
        for s, part in enumerate(self._parts()):
            block = x[:, part]
            out[s, 1:, : block.shape[1]] = block
        return out

    def join(self, x: Array) -> Array:
        """(S, T+1, R, F) to a new (T, B, F)."""
        out = np.empty((self.times, self.batch, x.shape[3]), x.dtype)
        for s, part in enumerate(self._parts()):
            block = out[:, part]
            block[...] = x[s, 1:, : block.shape[1]]
        return out

    def split_rows(self, x: Array) -> Array:
        """(B, F) to a new (S, R, F), zero in rows beyond the batch."""
        out = np.zeros((self.slices * self.rows, x.shape[1]), x.dtype)
        out[: self.batch] = x
        return out.reshape(self.slices, self.rows, x.shape[1])

    def join_rows(self, x: Array) -> Array:
        """(S, R, F) to a new (B, F)."""
        return x.reshape(self.slices * self.rows, -1)[: self.batch].copy()

    def last(self, x: Array) -> Array:
        """Value (B, F) of x (S, T+1, R, F) after the last step of every sequence."""
        s, r = np.divmod(np.arange(self.batch), self.rows)
        return x[s, self.lengths[s, r], r]

    def put_last(self, x: Array, value: Array) -> int:
        """Write value (B, F) where `last` reads, for sequences that end here; zero after the first such step, which is
        returned."""
        ending = np.flatnonzero(self.ending)
        if not len(ending):
            return self.times
        s, r = np.divmod(ending, self.rows)
        first = int(self.lengths[s, r].min()) - 1
        x[:, first + 1 :] = 0
        x[s, self.lengths[s, r], r] = value[ending]
        return first

    def stretch(self, begin: int, end: int) -> Slicing:
        """The same rows for steps begin + 1 to end."""
        lengths = np.clip(self.lengths - begin, 0, end - begin)
        all_lengths = self.lengths.reshape(-1)[: self.batch]
        ending = (all_lengths > begin) & (all_lengths <= end)
        return self._replace(times=end - begin, steps=min(self.steps, end - begin), lengths=lengths, ending=ending)

    def _parts(self) -> list[slice]:
        return [slice(s * self.rows, min((s + 1) * self.rows, self.batch)) for s in range(self.slices)]


def cut(times: int, batch: int, lengths: Array | None = None) -> Slicing:
    """Choose slices for a batch: few idle rows for an even number of slices, up to 16 rows each.

    Raises
    ------
    ValueError
        If lengths is not (B,) with values in 1..T.
    """
    if times < 1 or batch < 1:
        raise ValueError(f"a batch needs at least one step and one sequence, got T={times}, B={batch}")
    choices = [(-(-batch // n), n) for n in range(-(-batch // _MOST_ROWS), batch + 1)]
    # Time is proportional to the rows that the busier of two threads carries; a slice costs about one row more.
    rows, slices = min(choices, key=lambda c: ((c[0] + 1) * -(-c[1] // 2), -c[0]))
    unit = 12 // gcd(12, rows)
    steps = unit * max(1, round(_TILE_ROWS / (rows * unit)))
    padded = np.zeros(slices * rows, np.int64)
    padded[:batch] = times if lengths is None else _checked(lengths, times, batch)
    every = np.ones(batch, bool)
    return Slicing(times, batch, slices, rows, min(steps, times), padded.reshape(slices, rows), every)


def _checked(lengths: Array, times: int, batch: int) -> Array:
    lengths = np.asarray(lengths)
    if lengths.shape != (batch,) or lengths.min() < 1 or lengths.max() > times:
        raise ValueError(f"lengths must be ({batch},) with values in 1..{times}, got {lengths!r}")
    return lengths
