"""Sentences of bytes as batches of bits, and what can be guessed of them without memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from npr.errors import DataError
from npr.tasks.base import Baseline, Batch
from npr.tasks.stored import Indices, StoredDataset, StoredStream

# Row b holds the bits of byte b, most significant first.
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(bool)


class Sentences(NamedTuple):
    """The sentences of one split, one after the other, each with its NUL.

    content : (N,) uint8
    ends : (S + 1,) int64, sentence i is content[ends[i] : ends[i + 1]]
    """

    content: NDArray[np.uint8]
    ends: Indices

    @classmethod
    def of(cls, sentences: Sequence[bytes]) -> Sentences:
        """Join sentences that come without their NUL."""
        ends = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences)])
        content = b"".join(sentence + b"\0" for sentence in sentences)
        return cls(np.frombuffer(content, np.uint8), ends.astype(np.int64))

    def sentence(self, row: int) -> NDArray[np.uint8]:
        """The bytes (L,) of one sentence and its NUL."""
        return self.content[self.ends[row] : self.ends[row + 1]]


class Reading(NamedTuple):
    """How sentences are shown.

    objective : "next" or "autoencode"
    reverse : with "autoencode", whether the bytes before the NUL are read from the last to the first
    replacement : whether an epoch draws as many sentences as there are, each from all of them, instead of every one
        once
    """

    objective: str
    reverse: bool
    replacement: bool


class BytePart(NamedTuple):
    """The sentences of a split as examples; see `npr.tasks.stored.Part`."""

    sentences: Sentences
    reading: Reading

    @property
    def rows(self) -> Indices:
        """All sentences."""
        return np.arange(len(self.sentences.ends) - 1)

    def order(self, rng: np.random.Generator, batch_size: int) -> Indices:
        """`rng.permutation(n)`, or n independent draws `rng.integers(n)`."""
        count = len(self.sentences.ends) - 1
        return rng.integers(count, size=count) if self.reading.replacement else rng.permutation(count)

    def batch(self, rows: Indices, dtype: DTypeLike) -> Batch:
        """The sentences `rows`: x (T, B, 8) of `dtype`, target (T, B, 8) bool, with lengths (B,) and mask (T, B).

        next : sentence i of L_i bytes has L_i steps; step t reads byte t and wants byte t + 1, and the last step,
            which reads the NUL, is masked
        autoencode : 2 L_i steps; the first L_i read the sentence and are masked, the others read zeros and want it
        """
        shown = [self._shown(self.sentences.sentence(row)) for row in rows]
        lengths = np.array([len(read) for read, _, _ in shown])
        read, wanted = np.zeros((2, lengths.max(), len(rows)), np.uint8)
        mask = np.zeros(read.shape, bool)
        for b, (inputs, targets, counted) in enumerate(shown):
            read[: lengths[b], b], wanted[: lengths[b], b], mask[: lengths[b], b] = inputs, targets, counted
        return Batch(BITS.astype(dtype)[read], BITS[wanted], lengths, mask=mask)

    def _shown(self, sentence: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Bytes read (T,), bytes wanted (T,), and the steps (T,) that count."""
        nothing = np.zeros_like(sentence)
        if self.reading.objective == "next":
            counted = np.ones(len(sentence), bool)
            counted[-1] = False
            return sentence, np.append(sentence[1:], nothing[:1]), counted
        read = np.append(sentence[-2::-1], sentence[-1:]) if self.reading.reverse else sentence
        counted = np.arange(2 * len(sentence)) >= len(sentence)
        return np.concatenate([read, nothing]), np.concatenate([nothing, sentence]), counted


class ByteDataset(StoredDataset):
    """A `StoredDataset` of sentences.

    Parameters
    ----------
    parts : mapping of BytePart
        The examples of every split.
    provenance : dict
        Where they come from, JSON values; its "train_sha256" is part of every stored position.
    baseline : Baseline
        What can be had without memory.
    """

    def __init__(self, parts: Mapping[str, BytePart], provenance: dict[str, Any], baseline: Baseline) -> None:
        super().__init__("bytes", parts, provenance, content={"sha256": provenance["train_sha256"]})
        self.baseline = baseline

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> StoredStream:
        """Endless full batches in the order of `seed`.

        Raises
        ------
        DataError
            If a batch has more sentences than the training set.
        """
        if batch_size > self.sizes["train"]:
            raise DataError(
                f"{self.provenance['data']}: {self.sizes['train']} lines to train on are too few for batches of "
                f"{batch_size}. Make batch_size smaller, max_bytes larger, or change split."
            )
        return super().train_stream(batch_size, seed, dtype)


def guesses(train: Sentences, objective: str, loss: str) -> list[Baseline]:
    """What a network without memory can answer, fitted to and measured on the training targets, the best last.

    With p the share of ones of a bit among n targets, answering p has the mean squared error p (1 - p), and no number
    has a smaller one. Errors are at most 1, where smooth-l1 is half the square.

    Parameters
    ----------
    train : Sentences
        What is trained on.
    objective : {"next", "autoencode"}
        Whose targets: in "next" the first byte of a sentence is none, and the byte before may be known.
    loss : {"smooth-l1", "mse"}
        What is computed.

    Returns
    -------
    list of Baseline
        "constant bits", and for "next" also "bits given the byte before".
    """
    scale = 0.5 if loss == "smooth-l1" else 1.0
    follows = np.ones(len(train.content), bool)
    follows[train.ends[:-1]] = objective == "autoencode"
    at = np.flatnonzero(follows)
    wanted = train.content[at].astype(np.int64)
    constant = np.bincount(wanted, minlength=256)[None]
    found = [Baseline("constant bits", scale * _spread(constant))]
    if objective == "next":
        pairs = np.bincount(256 * train.content[at - 1].astype(np.int64) + wanted, minlength=1 << 16)
        found.append(Baseline("bits given the byte before", scale * _spread(pairs.reshape(256, 256))))
    return found


def _spread(counts: NDArray[Any]) -> float:
    """Mean of p (1 - p) over targets and bits; counts (C, 256) of bytes in each of C contexts."""
    total = counts.sum(axis=1, keepdims=True)
    ones = counts @ BITS.astype(np.int64)
    return float((ones * (1 - ones / np.maximum(total, 1))).sum() / (total.sum() * BITS.shape[1]))
