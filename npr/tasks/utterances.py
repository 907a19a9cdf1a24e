"""Recordings as frames of features: one array in memory, batches filled up to the longest of their recordings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npr.tasks.base import Batch
from npr.tasks.stored import Indices

Frames = NDArray[np.float32]
_STILL = 1e-10


class Corpus(NamedTuple):
    """The frames of all recordings, one recording after the other.

    frames : (N, F) float32
    ends : (U + 1,) int64, recording u has the frames ends[u] up to, and without, ends[u + 1]
    digits : (U,) int64, what is said in each recording
    phones : (N,) int64, what is said in each frame, negative where that does not count
    added : frames at the end of each recording that were not in it, and count in no statistics

    Without digits and phones the frame that follows is to be predicted.
    """

    frames: Frames
    ends: Indices
    digits: NDArray[np.int64] | None = None
    phones: NDArray[np.int64] | None = None
    added: int = 0

    @property
    def predicts(self) -> bool:
        """Whether the next frame is the target."""
        return self.digits is None and self.phones is None

    def of(self, row: int) -> Frames:
        """The frames (T, F) of one recording."""
        return self.frames[self.ends[row] : self.ends[row + 1]]

    def lengths(self, rows: Indices) -> Indices:
        """Time steps that each of these recordings takes: its frames, without the last if the next is predicted."""
        return self.ends[rows + 1] - self.ends[rows] - self.predicts


class Utterances(NamedTuple):
    """The recordings `rows` (n,) of a corpus, which several parts may share.

    pool : batches in which recordings of similar length are brought together, 0 for none
    """

    corpus: Corpus
    rows: Indices
    pool: int = 0

    def order(self, rng: np.random.Generator, batch_size: int) -> Indices:
        """`rows` in the order `rng.permutation(n)`, cut into pools of `pool` batches, each sorted by length; then
        whole batches change places."""
        shuffled = self.rows[rng.permutation(len(self.rows))]
        if not self.pool:
            return shuffled
        size = self.pool * batch_size
        pools = (shuffled[start : start + size] for start in range(0, len(shuffled), size))
        ordered = np.concatenate([pool[np.argsort(self.corpus.lengths(pool), kind="stable")] for pool in pools])
        whole = len(ordered) // batch_size * batch_size
        mixed = rng.permutation(ordered[:whole].reshape(-1, batch_size))
        return np.concatenate([mixed.reshape(-1), ordered[whole:]])

    def batch(self, rows: Indices, dtype: DTypeLike) -> Batch:
        """The recordings `rows`: x (T, B, F) of `dtype`, zero after the end of each, and what is wanted.

        That is the digit (B,); or the class of every frame (T, B) with a mask of those that have one; or the next
        frame (T, B, F).
        """
        corpus, lengths = self.corpus, self.corpus.lengths(rows)
        steps, starts = int(lengths.max()), corpus.ends[rows]
        x = _filled(corpus.frames, starts, lengths, steps, np.dtype(dtype))
        if corpus.digits is not None:
            return Batch(x, corpus.digits[rows], lengths)
        if corpus.phones is not None:
            # One more than the class, so that the steps after the end count as little as those without one.
            marked = _filled(corpus.phones + 1, starts, lengths, steps, np.dtype(np.int64))
            return Batch(x, np.maximum(marked - 1, 0), lengths, mask=marked > 0)
        return Batch(x, _filled(corpus.frames, starts + 1, lengths, steps, np.dtype(dtype)), lengths)


def _filled(values: NDArray[Any], starts: Indices, lengths: Indices, steps: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`lengths` rows of values (N, ...) from `starts` on, side by side: (steps, B, ...), zero after their ends."""
    found = np.zeros((steps, len(starts), *values.shape[1:]), dtype)
    for b, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        found[:length, b] = values[start : start + length]
    return found


def standardise(corpus: Corpus, rows: Indices, scope: str) -> None:
    """Subtract the mean of every feature and divide by its standard deviation, in place.

    Parameters
    ----------
    corpus : Corpus
        Whose frames are changed.
    rows : ndarray (n,), int64
        Recordings whose frames say what mean and deviation are.
    scope : {"train", "utterance", "none"}
        From all frames of `rows`; from those of each recording, whatever `rows` says; or leave them alone.
    """
    if scope == "none":
        return
    if scope == "utterance":
        for row in range(len(corpus.ends) - 1):
            _apply(corpus.of(row), *moments(corpus, np.array([row])))
        return
    _apply(corpus.frames, *moments(corpus, rows))


def moments(corpus: Corpus, rows: Indices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (F,) of every feature over all frames of `rows`, summed in float64."""
    own = [corpus.of(row)[: len(corpus.of(row)) - corpus.added] for row in rows]
    count = sum(len(frames) for frames in own)
    mean = sum(frames.sum(axis=0, dtype=np.float64) for frames in own) / count
    spread = sum(np.square(frames - mean).sum(axis=0) for frames in own) / count
    return np.asarray(mean), np.asarray(spread)


def _apply(frames: Frames, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    # A feature that never changes, but for rounding, becomes zero.
    deviation = np.sqrt(np.where(variance > _STILL, variance, 1))
    frames -= mean.astype(np.float32)
    frames /= deviation.astype(np.float32)
