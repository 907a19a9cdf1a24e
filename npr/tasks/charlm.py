"""Character language models: the next symbol of a text, from all that were read before it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, ClassVar

from npr.errors import ConfigError, DataError
from npr.fields import one_of, whole
from npr.params import Array
from npr.registry import tasks
from npr.tasks import text_split
from npr.tasks.base import Baseline, Log, to_stderr
from npr.tasks.text import LAYOUTS, Reading, TextDataset
from npr.tasks.text_files import SETS, Found, find
from npr.tasks.vocabulary import KINDS, ORDERS, Vocabulary, codes, words


@dataclass(frozen=True)
class _Options:
    """See CharLM."""

    symbols: str = "characters"
    lines: str = "auto"
    order: str = "sorted"
    seq_len: int = 50
    layout: str = "wrapped"
    epoch_state: str = "reset"
    split: str = "auto"
    eval_batch_size: int = 0


@tasks.register("charlm")
@dataclass(frozen=True)
class CharLM(_Options):
    """The next symbol of a text; `--data` is tinyshakespeare, ptb, or the path of any text file.

    The text is read by batch_size readers at once, in chunks of seq_len steps; the states at the end of a chunk are
    those at the beginning of the next. Loss: cross-entropy, nats per symbol; bpc is the same in bits.

    symbols : "characters" of UTF-8 text, or "bytes" of any file
    lines : "as-is"; "words" for words with one blank after each and one newline at the end of a line, which are "_"
        and "<eos>" of the character-level Penn Treebank; "auto" for "words" with ptb, "as-is" elsewhere
    order : numbers of the symbols, "sorted" or in the order of first "appearance" in train, validation, test
    seq_len : steps of a chunk
    layout : "columns", "wrapped" or "rotating"; see `npr.tasks.text.lay`
    epoch_state : "reset" for zero states at the beginning of every epoch, "carry" for going on; measurements always
        begin with zero states, and a rotating text has no beginning
    split : "auto", "files", "chunks:TRAIN:VALIDATION", "text:TRAIN:VALIDATION" or "none"; see
        `npr.tasks.text_split.parse`
    eval_batch_size : readers in measurements, 0 for as many as in training

    Source: language_task.py of the nnRNN suite; karpathy/char-rnn; yusuketomoto/chainer-char-rnn.
    """

    name: ClassVar[str] = "charlm"
    # For what is built before there is a text; the data set has its own.
    input_size: ClassVar[int] = 64
    output_size: ClassVar[int] = 64
    readout: ClassVar[str] = "every"
    loss: ClassVar[str] = "cross-entropy"
    metric: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False
    baseline: ClassVar[Baseline | None] = None
    sets: ClassVar[tuple[str, ...]] = SETS
    discrete: ClassVar[bool] = True
    bits: ClassVar[bool] = True
    predicts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        one_of(KINDS, symbols=self.symbols)
        one_of(("auto", "as-is", "words"), lines=self.lines)
        one_of(ORDERS, order=self.order)
        one_of(LAYOUTS, layout=self.layout)
        one_of(("reset", "carry"), epoch_state=self.epoch_state)
        whole("[1, 1e6]", seq_len=self.seq_len)
        whole("[0, 1e6]", eval_batch_size=self.eval_batch_size)
        shares = text_split.parse(self.split)
        if shares.kind == "chunks" and self.layout == "rotating":
            raise ConfigError(f"split = '{self.split}': a rotating text has no last chunks. Use text:... or none.")
        if shares.kind == "chunks" and self.eval_batch_size:
            raise ConfigError(f"split = '{self.split}' holds out the ends of the rows: eval_batch_size must be 0.")

    def open(
        self, data: str = "auto", data_dir: str | os.PathLike[str] | None = None, log: Log = to_stderr
    ) -> TextDataset:
        """Find or download the text and number its symbols.

        Parameters
        ----------
        data : str
            "tinyshakespeare" (also "auto"), "ptb", or the path of a text file, plain or gzip-compressed. A name of
            a set is never a path: write ./ptb for a file of that name.
        data_dir : path or None
            Folder with the sets, named by the user.
        log : callable
            Takes lines about downloads and about what was read.

        Returns
        -------
        TextDataset

        Raises
        ------
        ConfigError
            If `data` is neither a set nor looks like a path, or the split does not fit it.
        DataError
            If the text cannot be had, cannot be decoded, or has fewer than two different symbols.
        """
        found = find(data, data_dir, log)
        texts = {split: self._codes(content, found.about["data"]) for split, content in found.content.items()}
        vocabulary = Vocabulary.of(list(texts.values()), self.symbols, self.order)
        numbered = {split: vocabulary.numbers(text) for split, text in texts.items()}
        shares = self._shares(len(texts), found.about["data"])
        if shares.kind == "text":
            numbered = text_split.divide(numbered["train"], shares)
        if len(vocabulary) < 2:
            raise DataError(f"{found.about['data']}: expected a text of at least two different symbols, found one.")
        carry = self.epoch_state == "carry"
        reading = Reading(self.seq_len, self.layout, carry, shares, self.eval_batch_size)
        return TextDataset(numbered, vocabulary, reading, self._provenance(found, numbered, vocabulary))

    def _codes(self, content: bytes | bytearray, data: str) -> Array:
        """Codes of the symbols of one file."""
        if self.lines == "words" or (self.lines == "auto" and data == "ptb"):
            content = words(content)
        if not content:
            raise DataError(f"{data}: expected a text, found an empty file.")
        return codes(content, self.symbols, data)

    def _shares(self, files: int, data: str) -> text_split.Shares:
        """The division, with what "auto" stands for."""
        shares = text_split.parse(self.split)
        if shares.kind == "auto" and files == 1:
            return text_split.parse("text:0.9:0.05" if self.layout == "rotating" else "chunks:0.9:0.05")
        if (shares.kind in ("auto", "files")) != (files > 1):
            other = "comes in three files: set split = files" if files > 1 else "is one text: choose another split"
            raise ConfigError(f"split = '{self.split}': {data} {other}.")
        return shares._replace(kind="files") if files > 1 else shares

    def _provenance(self, found: Found, texts: dict[str, Array], vocabulary: Vocabulary) -> dict[str, Any]:
        """What is stored with a run; the vocabulary lets it speak without its data."""
        digest = hashlib.sha256()
        for text in texts.values():
            digest.update(text)
        chosen = {key: getattr(self, key) for key in ("lines", "order", "layout", "split")}
        return {**found.about, **chosen, "symbols_sha256": digest.hexdigest(), "vocabulary": vocabulary.table()}
