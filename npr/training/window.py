"""Figures of one update, and their running means over the updates since the last row of metrics.jsonl."""

from __future__ import annotations

from typing import Any, NamedTuple


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

    def row(self) -> dict[str, Any]:
        """Means, and the latest learning rate; nothing without an update."""
        if not self.updates:
            return {}
        accuracy = {"accuracy": self.right / self.entries} if self.entries else {}
        means = {"loss": self.loss / self.updates, **accuracy, "grad_norm": self.grad_norm / self.updates}
        penalty = {"penalty": self.penalty / self.updates} if self.penalty else {}
        return {**means, **penalty, "lr": self.lr}
