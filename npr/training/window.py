"""Figures of one update, and their running means over the updates since the last row of metrics.jsonl."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


def figures(loss: float, right: int, scored: int, bits: bool = False) -> dict[str, float]:
    """A loss in nats, with `bits` the same in bits ("bpc": per character), and the share of targets that were hit."""
    told = {"bpc": loss / math.log(2)} if bits else {}
    return {"loss": loss, **told, **({"accuracy": right / scored} if scored else {})}


class Update(NamedTuple):
    """Figures of one update; `right` of `entries` targets were hit, 0 of 0 for a task without classes."""

    loss: float
    right: int
    entries: int
    grad_norm: float
    lr: float
    penalty: float = 0.0  # what the model added to the loss; not part of `loss`


class Window(NamedTuple):
    """Sums since the last row; stored in checkpoints, so that the rows after a resume are the same."""

    updates: int = 0
    loss: float = 0.0
    right: int = 0
    entries: int = 0
    grad_norm: float = 0.0
    lr: float = 0.0
    penalty: float = 0.0

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
        )

    def row(self, bits: bool = False) -> dict[str, Any]:
        """Means, and the latest learning rate; nothing without an update."""
        if not self.updates:
            return {}
        found = figures(self.loss / self.updates, self.right, self.entries, bits)
        means = {**found, "grad_norm": self.grad_norm / self.updates}
        penalty = {"penalty": self.penalty / self.updates} if self.penalty else {}
        return {**means, **penalty, "lr": self.lr}
