"""Watchers of a training run: they record, and they stop it where a test wants."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from npr.training import Silent, Step
from npr.training.checkpoint import Snapshot
from npr.training.history import Checkpoints
from npr.training.metrics import Row, read_rows


class Killed(BaseException):
    """Ends a run like SIGKILL: nothing of the loop runs after it."""


class Recorder(Silent):
    """Keeps what it hears; calls `at_step(step)` after every update."""

    def __init__(self, at_step: Callable[[int], None] = lambda step: None) -> None:
        self.messages: list[str] = []
        self.saved: list[int] = []
        self.measured: list[str] = []
        self.validated: list[dict[str, Any]] = []
        self.steps: list[Step] = []
        self._at_step = at_step

    def on_step(self, step: Step) -> None:
        self.steps.append(step)
        self._at_step(step.step)

    def on_measure(self, split: str) -> None:
        self.measured.append(split)

    def on_eval(self, row: dict[str, Any]) -> None:
        self.validated.append(row)

    def on_checkpoint(self, path: Path, step: int) -> None:
        self.saved.append(step)

    def on_message(self, text: str) -> None:
        self.messages.append(text)


def signalled(at: int, number: int = signal.SIGINT) -> Recorder:
    """A watcher that sends a signal in update `at`."""

    def send(step: int) -> None:
        if step == at:
            signal.raise_signal(number)

    return Recorder(send)


def killing(at: int) -> Recorder:
    """A watcher that ends the process in update `at`."""

    def kill(step: int) -> None:
        if step == at:
            raise Killed

    return Recorder(kill)


def newest(run: Path) -> Snapshot:
    """The newest checkpoint of a run."""
    return Checkpoints(run).newest()[1]


def bits(stored: Snapshot) -> dict[str, Any]:
    """All of a checkpoint that must not depend on how often the run was stopped."""
    state = {key: value for key, value in stored.state.items() if key not in ("seconds", "last_row")}
    tensors = {name: (value.dtype.str, value.tobytes()) for name, value in stored.tensors.items()}
    return {"step": stored.step, "row": timeless(stored.state["last_row"]), **state, **tensors}


def timeless(row: Row) -> Row:
    """A row without the time it took."""
    return {key: value for key, value in row.items() if key != "seconds"}


def rows(run: Path) -> list[Row]:
    """The rows of a run without times."""
    return [timeless(row) for row in read_rows(run / "metrics.jsonl")]
