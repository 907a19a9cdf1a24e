"""Figures of one update, and their running means over the updates since the last row of metrics.jsonl."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

FIGURES = ("loss", "bpc", "accuracy", "bit_accuracy")


def figures(
    loss: float, hits: tuple[int, int], bits: bool = False, bit_hits: tuple[int, int] = (0, 0)
) -> dict[str, float]:
    """A loss in nats, with `bits` the same in bits ("bpc": per character), and the share of targets that were hit.

    `hits` is their number and that of all targets, `bit_hits` the same of single bits; 0 of 0 has no share.
    """
    told = {"bpc": loss / math.log(2)} if bits else {}
    counts = {"accuracy": hits, "bit_accuracy": bit_hits}
    return {"loss": loss, **told, **{name: right / scored for name, (right, scored) in counts.items() if scored}}


class Update(NamedTuple):
    """Figures of one update.

    `right` of `entries` targets were hit, 0 of 0 for a task of plain values; `right_bits` of `entry_bits` if they are
    made of bits.
    """

    loss: float
    right: int
    entries: int
    grad_norm: float
    lr: float
    penalty: float = 0.0  # what the model added to the loss; not part of `loss`
    right_bits: int = 0
    entry_bits: int = 0


class Window(NamedTuple):
    """Sums since the last row; stored in checkpoints, so that the rows after a resume are the same."""

    updates: int = 0
    loss: float = 0.0
    right: int = 0
    entries: int = 0
    grad_norm: float = 0.0
    lr: float = 0.0
    penalty: float = 0.0
    right_bits: int = 0
    entry_bits: int = 0

    def add(self, done: Update) -> Window:
        """The window with one more update."""
        return Window(
            self.updates + 1,
            self.loss + done.loss,
            self.right + done.right,
            self.entries + done.entries,
            self.grad_norm + done.grad_norm,
            done.lr,
            self.penalty + done.penalty,
            self.right_bits + done.right_bits,
            self.entry_bits + done.entry_bits,
        )

    def row(self, bits: bool = False) -> dict[str, Any]:
        """Means, and the latest learning rate; nothing without an update."""
        if not self.updates:
            return {}
        bit_hits = self.right_bits, self.entry_bits
        found = figures(self.loss / self.updates, (self.right, self.entries), bits, bit_hits)
        means = {**found, "grad_norm": self.grad_norm / self.updates}
        penalty = {"penalty": self.penalty / self.updates} if self.penalty else {}
        return {**means, **penalty, "lr": self.lr}
