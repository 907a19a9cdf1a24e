"""A text read by many readers at once, in chunks that continue each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npr.errors import ConfigError, DataError
from npr.fields import whole
from npr.params import Array
from npr.registry import unknown
from npr.tasks.base import Baseline, Batch
from npr.tasks.text_split import SPLITS, Shares
from npr.tasks.vocabulary import Vocabulary

LAYOUTS = ("columns", "wrapped", "rotating")


class Rows(NamedTuple):
    """Reader j has text[(starts[j] + k) mod N] before it at step k, and the symbol after that to predict.

    text : (N,) symbols
    starts : (B,) int64
    begin, end : steps that belong to the split; no end where reading goes round and round
    per_epoch : steps that count as one pass
    """

    text: Array
    starts: Array
    begin: int
    end: int | None
    per_epoch: int

    def batch(self, step: int, steps: int, chunk: int) -> Batch:
        """Steps from `step` on: x and target (steps, B) int64."""
        at = self.starts + np.arange(step, step + steps + 1)[:, None]
        seen = self.text.take(at % len(self.text)).astype(np.int64)
        return Batch(seen[:-1], seen[1:], chunk=chunk)


def lay(text: Array, layout: str, readers: int, seq_len: int) -> Rows:
    """The rows of a whole text.

    columns    N // B symbols for each reader, one after the other; the last has no successor to predict
    wrapped    the same, cut to whole chunks; after its last symbol a reader predicts the first of the next reader's,
               the last reader that of the text
    rotating   reader j starts at j (N // B) and reads on for ever, round and round: after an epoch about where
               reader j + 1 began

    Parameters
    ----------
    text : Array (N,)
        Symbols.
    layout : {"columns", "wrapped", "rotating"}
    readers : int
        B.
    seq_len : int
        Steps of a chunk.

    Raises
    ------
    DataError
        If the text is too short.

    Source: columns the PyTorch word language model and language_task.py of the nnRNN suite; wrapped
    karpathy/char-rnn; rotating yusuketomoto/chainer-char-rnn.
    """
    each = len(text) // readers
    if layout == "wrapped":
        each -= each % seq_len
    if each < {"columns": 2}.get(layout, seq_len):
        least = {"columns": 2 * readers}.get(layout, readers * seq_len)
        raise DataError(
            f"A text of {len(text):,} symbols is too short for {readers} readers with chunks of {seq_len} "
            f"(layout = {layout}): it takes {least:,}. Make batch_size or seq_len smaller, or change split."
        )
    starts = np.arange(readers) * each
    if layout == "rotating":
        return Rows(text, starts, 0, None, each - each % seq_len)
    steps = each if layout == "wrapped" else each - 1
    return Rows(text[: each * readers], starts, 0, steps, steps)


class TextStream:
    """Endless chunks of a text, in the order in which it is read.

    Parameters
    ----------
    rows : Rows
        Who reads what.
    seq_len : int
        Steps of a chunk; the last before the end may be shorter.
    carry : bool
        Whether the states at the end of an epoch go on into the next.
    fixed : dict
        What the position belongs to, JSON values.
    """

    def __init__(self, rows: Rows, seq_len: int, carry: bool, fixed: dict[str, Any]) -> None:
        self._rows, self._seq_len, self._carry, self._fixed = rows, seq_len, carry, fixed
        self._step, self._chunk = rows.begin, 0

    def next(self) -> Batch:
        """The next chunk, x and target (T, B)."""
        rows, end = self._rows, self._rows.end
        steps = self._seq_len if end is None else min(self._seq_len, end - self._step)
        batch = rows.batch(self._step, steps, self._chunk)
        self._step, self._chunk = self._step + steps, self._chunk + 1
        if self._step == end:
            self._step, self._chunk = rows.begin, self._chunk if self._carry else 0
        return batch

    def state(self) -> dict[str, Any]:
        """Steps read, the number of the next chunk, and what text and layout they belong to."""
        return {"step": self._step, "chunk": self._chunk, **self._fixed}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a position given by `state()`.

        Raises
        ------
        DataError
            If the state is not one of a stream over this text in this layout.
        """
        step, chunk = state.get("step"), state.get("chunk")
        fits = {"step": step, "chunk": chunk, **self._fixed} == state
        if fits and isinstance(step, int) and isinstance(chunk, int) and chunk >= 0 and self._holds(step):
            self._step, self._chunk = step, chunk
            return
        raise DataError(
            f"The stored position in the training data, {state}, does not fit {self._fixed}. "
            f"Resume with the text and the options that the run was started with."
        )

    def _holds(self, step: int) -> bool:
        begin, end = self._rows.begin, self._rows.end
        return step >= begin and (end is None or step < end) and (step - begin) % self._seq_len == 0


class Reading(NamedTuple):
    """How a text is read; see the task's options of these names."""

    seq_len: int
    layout: str
    carry: bool
    shares: Shares
    eval_batch_size: int


class Sizes:
    """What a text asks of a network, besides the task: input and output as many as symbols, states without an end.

    Parameters
    ----------
    vocabulary : Vocabulary
        Its symbols.
    """

    # States are carried on and on: no length says how far a recurrence may grow within it.
    seq_len = 0

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.input_size = self.output_size = len(vocabulary)


class TextDataset(Sizes):
    """The parts of a text; see `npr.tasks.base.Dataset`.

    Parameters
    ----------
    texts : dict of Array
        Symbols of every split; with shares of chunks all of them under "train".
    vocabulary : Vocabulary
        What they stand for.
    reading : Reading
        How they are read.
    provenance : dict
        Where they come from, JSON values.
    """

    name = "charlm"
    notice = ""

    def __init__(
        self, texts: dict[str, Array], vocabulary: Vocabulary, reading: Reading, provenance: dict[str, Any]
    ) -> None:
        super().__init__(vocabulary)
        self.vocabulary, self.provenance = vocabulary, provenance
        self._texts, self._reading = texts, reading

    @property
    def sizes(self) -> dict[str, int]:
        """Symbols of every split; those of chunks to the nearest batch of chunks."""
        if self._by_chunks:
            return self._reading.shares.counts(len(self._texts["train"]))
        return {split: len(self._texts.get(split, ())) for split in SPLITS}

    @property
    def baseline(self) -> Baseline:
        """The symbols drawn as often as in the training text: the loss is their entropy."""
        counts = np.bincount(self._texts["train"])
        share = counts[counts > 0] / counts.sum()
        return Baseline("symbol frequencies", float(-(share * np.log(share)).sum()))

    def train_stream(self, batch_size: int, seed: int, dtype: DTypeLike = np.float32) -> TextStream:
        """Endless chunks in the order of the text, whatever `seed`.

        Raises
        ------
        DataError
            If a split is too short for its batches.
        """
        for split, size in self.sizes.items():
            if size and split != "train":
                self._rows(split, batch_size)
        rows, reading = self._rows("train", batch_size), self._reading
        fixed = {
            "readers": batch_size,
            "seq_len": reading.seq_len,
            "layout": reading.layout,
            "sha256": self.provenance["symbols_sha256"],
        }
        return TextStream(rows, reading.seq_len, reading.carry, fixed)

    def batches(self, split: str, batch_size: int, dtype: DTypeLike = np.float32) -> Iterator[Batch]:
        """Every chunk of a split once, in order, from zero states on; an empty split has none.

        Raises
        ------
        ConfigError
            If there is no split of that name.
        """
        if split not in self.sizes:
            raise ConfigError(unknown("split", split, sorted(self.sizes)))
        if not self.sizes[split]:
            return iter(())
        rows = self._rows(split, batch_size, measured=True)
        whole_text = TextStream(rows, self._reading.seq_len, False, {})
        return (whole_text.next() for _ in range(self._chunks(rows)))

    def updates_per_epoch(self, batch_size: int) -> int:
        """Chunks that show every training symbol once."""
        return self._chunks(self._rows("train", batch_size))

    @property
    def _by_chunks(self) -> bool:
        return self._reading.shares.kind == "chunks"

    def _chunks(self, rows: Rows) -> int:
        return -(-rows.per_epoch // self._reading.seq_len)

    def _rows(self, split: str, batch_size: int, measured: bool = False) -> Rows:
        """Rows of a split; training alone goes round and round."""
        whole("[1, inf)", batch_size=batch_size)
        reading = self._reading
        readers = reading.eval_batch_size if reading.eval_batch_size and split != "train" else batch_size
        layout = reading.layout
        if layout == "rotating" and (measured or split != "train"):
            layout = "columns"
        if not self._by_chunks:
            return lay(self._texts[split], layout, readers, reading.seq_len)
        return self._cut(lay(self._texts["train"], layout, readers, reading.seq_len), split)

    def _cut(self, rows: Rows, split: str) -> Rows:
        """The chunks of one split."""
        seq_len, counts = self._reading.seq_len, self._reading.shares.counts(self._chunks(rows))
        first = {"train": 0, "validation": counts["train"], "test": counts["train"] + counts["validation"]}[split]
        begin, end = first * seq_len, min((first + counts[split]) * seq_len, rows.per_epoch)
        if begin >= end:
            raise DataError(
                f"The text makes {self._chunks(rows)} batches of chunks, which leaves none for {split}. "
                f"Make batch_size or seq_len smaller, or change split."
            )
        return rows._replace(begin=begin, end=end, per_epoch=end - begin)
