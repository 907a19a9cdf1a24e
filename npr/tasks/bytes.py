"""Sentences byte by byte, eight bits at a time: the next byte, or the whole sentence again."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, ClassVar

from npr.fields import one_of, whole
from npr.registry import tasks
from npr.tasks import sentences, text_files
from npr.tasks.base import Baseline, Log, to_stderr
from npr.tasks.byte_batches import ByteDataset, BytePart, Reading, Sentences, guesses
from npr.tasks.text_files import SETS

OBJECTIVES = ("next", "autoencode")
LOSSES = ("smooth-l1", "mse")


@tasks.register("bytes")
@dataclass(frozen=True)
class Bytes:
    """The lines of a text, bit by bit; `--data` is tinyshakespeare, ptb, or the path of any text file.

    A sentence is a line and one NUL byte after it. A byte is eight inputs and eight outputs of 0 or 1, its most
    significant bit first; an output above 1/2 stands for 1. Accuracy: bytes with all bits right; bit_accuracy: bits.

    objective : "next" wants at every byte the one that follows, up to the NUL, after which nothing is wanted;
        "autoencode" reads the sentence, then zeros for as many steps, in which it wants the sentence. One network
        reads and writes here; the published script has one for each, and hands the state over
    reverse : with "autoencode", read the bytes from the last to the first, then the NUL; they are written forwards
    max_bytes : longest line, without its NUL
    long_lines : "leave-out", or "cut" to max_bytes, which may break a character of several bytes
    repeats : "once" leaves out a line that has come before, so that no line of the validation or the test is trained
        on; "keep"
    split : shares of the lines, in their order: "auto", "files", "text:TRAIN:VALIDATION" or "none"; see
        `npr.tasks.sentences.choose`
    sampling : "shuffled" shows every line once in an epoch, in a new order; "replacement" draws each line from all
    loss : "smooth-l1" or "mse" of the bits

    Source: DoxasticFox/res-rnn, translate-predict-identity.py and translate-identity.py, whose author found that
    these models do not work well. They draw with replacement; the first also wants a NUL after the NUL.
    """

    objective: str = "next"
    reverse: bool = True
    max_bytes: int = 100
    long_lines: str = "leave-out"
    repeats: str = "once"
    split: str = "auto"
    sampling: str = "shuffled"
    loss: str = "smooth-l1"

    name: ClassVar[str] = "bytes"
    input_size: ClassVar[int] = 8
    output_size: ClassVar[int] = 8
    readout: ClassVar[str] = "every"
    metric: ClassVar[str] = "loss"
    higher_is_better: ClassVar[bool] = False
    baseline: ClassVar[Baseline | None] = None
    sets: ClassVar[tuple[str, ...]] = SETS

    def __post_init__(self) -> None:
        one_of(OBJECTIVES, objective=self.objective)
        one_of(("leave-out", "cut"), long_lines=self.long_lines)
        one_of(("once", "keep"), repeats=self.repeats)
        one_of(("shuffled", "replacement"), sampling=self.sampling)
        one_of(LOSSES, loss=self.loss)
        whole("[1, 1e6]", max_bytes=self.max_bytes)
        sentences.check(self.split)

    @property
    def seq_len(self) -> int:
        """Steps of the longest sentence accepted."""
        return (self.max_bytes + 1) * (2 if self.objective == "autoencode" else 1)

    @property
    def predicts(self) -> bool:
        """Whether the byte that comes next is wanted. A sentence to be written again is in no later input."""
        return self.objective == "next"

    def open(
        self, data: str = "auto", data_dir: str | os.PathLike[str] | None = None, log: Log = to_stderr
    ) -> ByteDataset:
        """Find or download the text and divide its lines.

        Parameters
        ----------
        data : str
            "tinyshakespeare" (also "auto"), "ptb", or the path of a text file, plain or gzip-compressed. A name of
            a set is never a path: write ./ptb for a file of that name.
        data_dir : path or None
            Folder with the sets, named by the user.
        log : callable
            Takes lines about downloads, about the lines that are left out, and what can be guessed without memory.

        Returns
        -------
        ByteDataset

        Raises
        ------
        ConfigError
            If `data` is neither a set nor looks like a path, or the split does not fit it.
        DataError
            If the text cannot be had, none of its lines can be used, or a part of the split is empty.
        """
        found = text_files.find(data, data_dir, log)
        rules = sentences.Rules(self.max_bytes, self.long_lines == "cut", self.repeats == "once")
        chosen = sentences.choose(found, rules, self.split)
        log(f"lines: {self._told(chosen.counts)}")
        reading = Reading(self.objective, self.reverse, self.sampling == "replacement")
        parts = {name: BytePart(Sentences.of(lines), reading) for name, lines in chosen.sentences.items()}
        train = parts["train"].sentences
        known = guesses(train, self.objective, self.loss)
        for guess in known:
            log(f"baseline: {guess.name}: loss {guess.loss:.4f}")
        keys = ("objective", "reverse", "max_bytes", "long_lines", "repeats", "split", "sampling")
        provenance: dict[str, Any] = {
            **found.about,
            **{key: getattr(self, key) for key in keys},
            "counts": chosen.counts,
            "train_sha256": hashlib.sha256(train.content).hexdigest(),
            "baselines": {guess.name: guess.loss for guess in known},
        }
        return ByteDataset(parts, provenance, known[-1])

    def _told(self, counts: dict[str, int]) -> str:
        """What happened to the lines of the text."""
        long_ones = "cut" if self.long_lines == "cut" else "left out"
        return (
            f"{counts['lines']:,}; {counts['empty']:,} empty and {counts['come_again']:,} that come again left out, "
            f"{counts['too_long']:,} longer than {self.max_bytes} bytes {long_ones}"
        )
