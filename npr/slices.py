"""Slice-major storage: a batch (T, B, F) as S independent slices (S, T + 1, R, F), row 0 for the initial state.

The number of slices depends on the batch alone, never on the number of threads, so results do not either.
"""

from __future__ import annotations

from math import gcd
from typing import Any, NamedTuple

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
    lengths: Array  # (S, R) int64, 0 for rows that only fill the last slice; where the kernels run
    ending: Array  # (B,) bool, whether the last step of a sequence is among these; all, unless this is a stretch
    known: Array  # lengths, on the host
    xp: Any = np  # library of the arrays

    @property
    def entries(self) -> int:
        """Number of valid (step, row) pairs."""
        return int(self.known.sum())

    def tile_steps(self, weights: int) -> int:
        """Steps of a tile for a kernel that adds up a gradient of so many entries in each."""
        return self.steps if weights < _WIDE else 2 * self.steps

    def whole_tiles(self, steps: int) -> int:
        """The next multiple of every kernel's tile from `steps` on."""
        return 2 * self.steps * -(-steps // (2 * self.steps))

    def split(self, x: Array) -> Array:
        """(T, B, F) to a new (S, T+1, R, F); row 0 is zero."""
        out = self.xp.zeros((self.slices, self.times + 1, self.rows, x.shape[2]), x.dtype)
        for s, part in enumerate(self._parts()):
            block = x[:, part]
            out[s, 1:, : block.shape[1]] = block
        return out

    def join(self, x: Array) -> Array:
        """(S, T+1, R, F) to a new (T, B, F)."""
        out = self.xp.empty((self.times, self.batch, x.shape[3]), x.dtype)
        for s, part in enumerate(self._parts()):
            block = out[:, part]
            block[...] = x[s, 1:, : block.shape[1]]
        return out

    def split_rows(self, x: Array) -> Array:
        """(B, F) to a new (S, R, F), zero in rows beyond the batch."""
        out = self.xp.zeros((self.slices * self.rows, x.shape[1]), x.dtype)
        out[: self.batch] = x
        return out.reshape(self.slices, self.rows, x.shape[1])

    def join_rows(self, x: Array) -> Array:
        """(S, R, F) to a new (B, F)."""
        return x.reshape(self.slices * self.rows, -1)[: self.batch].copy()

    def last(self, x: Array) -> Array:
        """Value (B, F) of x (S, T+1, R, F) after the last step of every sequence."""
        return x[self._ends(np.arange(self.batch))]

    def put_last(self, x: Array, value: Array) -> int:
        """Write value (B, F) where `last` reads, for sequences that end here; zero after the first such step, which is
        returned."""
        ending = np.flatnonzero(self.ending)
        if not len(ending):
            return self.times
        first = int(self.known.reshape(-1)[ending].min()) - 1
        x[:, first + 1 :] = 0
        x[self._ends(ending)] = value[self.xp.asarray(ending)]
        return first

    def stretch(self, begin: int, end: int) -> Slicing:
        """The same rows for steps begin + 1 to end."""
        known = np.clip(self.known - begin, 0, end - begin)
        all_lengths = self.known.reshape(-1)[: self.batch]
        ending = (all_lengths > begin) & (all_lengths <= end)
        steps, lengths = min(self.steps, end - begin), self.xp.asarray(known)
        return self._replace(times=end - begin, steps=steps, lengths=lengths, ending=ending, known=known)

    def _ends(self, sequences: Array) -> tuple[Array, Array, Array]:
        """Index of the last step of sequences (M,) in an array (S, T+1, R, F)."""
        s, r = np.divmod(sequences, self.rows)
        found = s, self.known[s, r], r
        return self.xp.asarray(found[0]), self.xp.asarray(found[1]), self.xp.asarray(found[2])

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
    known = padded.reshape(slices, rows)
    return Slicing(times, batch, slices, rows, min(steps, times), known, np.ones(batch, bool), known)


def whole(times: int, batch: int, lengths: Array | None, xp: Any) -> Slicing:
    """The whole batch as one slice, for a device whose kernels divide the work themselves; errors as in `cut`."""
    if times < 1 or batch < 1:
        raise ValueError(f"a batch needs at least one step and one sequence, got T={times}, B={batch}")
    every = np.full(batch, times) if lengths is None else _checked(lengths, times, batch)
    known = np.array(every[None], np.int64)
    return Slicing(times, batch, 1, batch, 1, xp.asarray(known), np.ones(batch, bool), known, xp)


def _checked(lengths: Array, times: int, batch: int) -> Array:
    lengths = np.asarray(lengths)
    if lengths.shape != (batch,) or lengths.min() < 1 or lengths.max() > times:
        raise ValueError(f"lengths must be ({batch},) with values in 1..{times}, got {lengths!r}")
    return lengths
