"""How a text is divided into training, validation and test."""

from __future__ import annotations

from typing import NamedTuple

from npr.errors import ConfigError
from npr.params import Array

FORMS = "auto, files, chunks:TRAIN:VALIDATION, text:TRAIN:VALIDATION, none"
SPLITS = ("train", "validation", "test")


class Shares(NamedTuple):
    """A kind of division and the shares of training and validation; what is left is for the test."""

    kind: str
    train: float = 1.0
    validation: float = 0.0

    def counts(self, total: int) -> dict[str, int]:
        """`total` things divided: shares are rounded down, what is left is for the test, or for validation if the
        two shares leave no test."""
        train = int(total * self.train)
        left = total - train
        validation = left if self.train + self.validation >= 1 - 1e-9 else int(total * self.validation)
        return {"train": train, "validation": validation, "test": left - validation}


def parse(spec: str) -> Shares:
    """Read one of the forms.

    auto        "files" for a set of three files, else "chunks:0.9:0.05", or "text:0.9:0.05" where rows rotate
    files       as the set comes
    chunks:A:B  the batches of chunks that the text makes, in their order: the tail of every row is held out
    text:A:B    the text itself: its end is held out
    none        no validation and no test

    Raises
    ------
    ConfigError
        If `spec` has another form, or the shares leave nothing to train on.

    Source: chunks karpathy/char-rnn, 0.95 and 0.05, with its rounding; none yusuketomoto/chainer-char-rnn.
    """
    kind, *rest = spec.split(":")
    if kind in ("auto", "files", "none") and not rest:
        return Shares(kind)
    try:
        train, validation = (float(part) for part in rest)
    except ValueError:
        train = validation = -1.0
    if kind not in ("chunks", "text") or not (0 < train <= 1 and validation >= 0 and train + validation <= 1 + 1e-9):
        raise ConfigError(f"split = '{spec}' is not one of: {FORMS} (shares above 0 that add up to at most 1).")
    return Shares(kind, train, validation)


def divide(text: Array, shares: Shares) -> dict[str, Array]:
    """The three consecutive parts of `text`."""
    counts = shares.counts(len(text))
    first, second = counts["train"], counts["train"] + counts["validation"]
    return dict(zip(SPLITS, (text[:first], text[first:second], text[second:]), strict=True))
