"""What a training run tells whoever watches it; the library's own default is to say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

from npr.tasks.base import Baseline


class Start(NamedTuple):
    """The run as it begins or goes on.

    run : its folder
    config : flat configuration
    task : name of the data, with "[synthetic]" after it where it is not the real one
    sizes : examples per split, without "train" where every update gets new ones
    parameters : number of trained scalars
    step, total_steps : updates done and wanted
    seconds : training time of earlier sessions
    metric : the validation figure that selects
    baseline : what can be had without memory, where the task knows
    """

    run: Path
    config: dict[str, Any]
    task: str
    sizes: dict[str, int]
    parameters: int
    step: int
    total_steps: int
    seconds: float
    metric: str = "accuracy"
    baseline: Baseline | None = None


class Step(NamedTuple):
    """One update.

    step : updates done
    loss : of its batch
    accuracy : of its batch, 0..1, with dropout on; None for a task of plain values
    grad_norm : global L2 norm before clipping
    lr : learning rate it used
    seconds : training time so far, over all resumes
    """

    step: int
    loss: float
    accuracy: float | None
    grad_norm: float
    lr: float
    seconds: float


class Events(Protocol):
    """Callbacks of a run, in the thread that trains; what they raise ends the run."""

    def on_start(self, start: Start) -> None:
        """Once, before the first update of this session."""

    def on_step(self, step: Step) -> None:
        """After every update: return quickly."""

    def on_log(self, row: dict[str, Any]) -> None:
        """After a row was added to metrics.jsonl; at the end once more, with the test figures in the last row."""

    def on_measure(self, split: str) -> None:
        """Before a split is measured: "validation" or "test"."""

    def on_eval(self, row: dict[str, Any]) -> None:
        """After a validation, with "step", the "validation_..." figures and "best" (bool)."""

    def on_checkpoint(self, path: Path, step: int) -> None:
        """After a checkpoint is durable."""

    def on_message(self, text: str) -> None:
        """One line that a person should read."""


class Silent:
    """Events that nobody watches."""

    def on_start(self, start: Start) -> None:
        """Say nothing."""

    def on_step(self, step: Step) -> None:
        """Say nothing."""

    def on_log(self, row: dict[str, Any]) -> None:
        """Say nothing."""

    def on_measure(self, split: str) -> None:
        """Say nothing."""

    def on_eval(self, row: dict[str, Any]) -> None:
        """Say nothing."""

    def on_checkpoint(self, path: Path, step: int) -> None:
        """Say nothing."""

    def on_message(self, text: str) -> None:
        """Say nothing."""


SILENT = Silent()
