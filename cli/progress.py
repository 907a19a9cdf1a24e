"""What a running training shows on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from npr_cli import terminal
from npr_cli.view import Live, Plain

if TYPE_CHECKING:
    from threading import Timer

    from npr.training.events import Start, Step

PATIENCE = 2.0
FRESH = "fresh sequences every update"
COMPILING = "waiting for the first update: kernels are compiled once per machine, for up to a minute"


class Progress:
    """Events of a run as text on stderr; a context manager, because a live bar has to be cleared.

    Parameters
    ----------
    quiet : bool
        Show messages only.
    verbose : bool
        Show every logged row and checkpoint.

    Attributes
    ----------
    run, step : Path, int
        The run folder and the latest update; None and 0 before the start.
    checkpoint, checkpoint_step : Path, int
        The latest checkpoint of this session.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._view: Plain = Live() if terminal.is_live() and not quiet else Plain()
        self.run: Path | None = None
        self.checkpoint: Path | None = None
        self.step = self.checkpoint_step = 0
        self._waiting: Timer | None = None
        self._rate = Rate()
        self._validation = self._baseline = ""
        self._metric = "accuracy"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._begun()
        self._view.close()

    def on_start(self, start: Start) -> None:
        """The run's outline."""
        self.run, self.step = start.run, start.step
        self._rate = Rate(start)
        self._metric = start.metric
        self._baseline = f" (baseline {start.baseline.loss:.4f})" if start.baseline else ""
        if not self._quiet:
            self._view.say(outline(start))
            self._waiting = terminal.say_later(COMPILING, PATIENCE)

    def on_step(self, step: Step) -> None:
        """The figures of one update, as often as the view shows them."""
        self.step = step.step
        self._begun()
        self._rate.note(step)
        if not self._quiet and self._view.due():
            self._view.show(f"{figures(step, self._baseline)}{self._validation}", *self._rate.ahead())

    def on_log(self, row: dict[str, Any]) -> None:
        """Every row of metrics.jsonl, for -v."""
        if self._verbose:
            self._view.say("  ".join(f"{key} {_short(value)}" for key, value in row.items()))

    def on_measure(self, split: str) -> None:
        """A pause of some seconds in which no update is made, on a terminal only: lines would fill a log."""
        if not self._quiet:
            self._view.pause(f"step {self.step:>6}  measuring on the {split} split", *self._rate.ahead()[:1])

    def on_eval(self, row: dict[str, Any]) -> None:
        """A validation: shown with the updates that follow."""
        found = {key.removeprefix("validation_"): value for key, value in row.items() if "validation_" in key}
        key = self._metric if self._metric in found else "loss"
        if key in found:
            name = "val loss" if key == "loss" else "val"
            self._validation = f"  {name} {_short(found[key])}{'*' if row.get('best') else ''}"

    def on_checkpoint(self, path: Path, step: int) -> None:
        """A checkpoint, shown for -v."""
        self.checkpoint, self.checkpoint_step = path, step
        if self._verbose:
            self._view.say(f"saved {path}")

    def on_message(self, text: str) -> None:
        """A line for a person; never held back."""
        self._view.say(text)

    def _begun(self) -> None:
        """The wait for the compiler, if there was one, is over."""
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None


class Rate:
    """Updates per second in this session, and what is still to come."""

    def __init__(self, start: Start | None = None) -> None:
        self._first = start.step if start else 0
        self._total = start.total_steps if start else 0
        self._limit = float(start.config.get("max_time") or 0) if start else 0.0
        self._begin: float | None = None
        self._step, self._seconds = self._first, 0.0

    def note(self, step: Step) -> None:
        """Take in one update; the first one is not timed, it may have waited for the compiler."""
        if self._begin is None:
            self._begin, self._first = step.seconds, step.step
        self._step, self._seconds = step.step, step.seconds

    def ahead(self) -> tuple[float, str]:
        """Share of the run that is done, 0..1, and speed and remaining time as text."""
        elapsed = self._seconds - (self._begin or 0.0)
        done = self._step / self._total if self._total else 0.0
        limit_left = self._limit - self._seconds if self._limit else float("inf")
        if elapsed <= 0 or self._step == self._first:
            return done, ""
        speed = (self._step - self._first) / elapsed
        if self._limit:
            done = max(done, self._seconds / self._limit)
        left = min((self._total - self._step) / speed, max(limit_left, 0.0))
        return min(done, 1.0), f"  {speed:.3g} it/s  eta {clock(left)}"


def outline(start: Start) -> str:
    """Two lines on what is trained, on what, and where it is kept."""
    config = start.config
    shape = f" {config['layers']}x{config['hidden_size']}" if "layers" in config else ""
    counts = [f"{count:,} {split}" for split, count in start.sizes.items()]
    sizes = " / ".join(counts if "train" in start.sizes else [FRESH, *counts])
    begin = f"from step {start.step:,} " if start.step else ""
    return (
        f"{config['model']}{shape}, {start.parameters:,} parameters, on {start.task} ({sizes})\n"
        f"{begin}to step {start.total_steps:,}, batches of {config.get('batch_size')}, in {start.run}"
    )


def figures(step: Step, baseline: str = "") -> str:
    """Step, loss with what to compare it to, accuracy and gradient norm of one update."""
    accuracy = f"  acc {step.accuracy:.3f}" if step.accuracy is not None else ""
    return f"step {step.step:>6}  loss {step.loss:.4f}{baseline}{accuracy}  |g| {step.grad_norm:.3g}"


def clock(seconds: float) -> str:
    """Duration as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
