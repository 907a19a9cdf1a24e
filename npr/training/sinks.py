"""Where the rows of a run go besides metrics.jsonl: sinks, fed by the events of the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from npr.training.csv_export import CsvSink
from npr.training.events import Events, Start
from npr.training.metrics import Row, read_rows
from npr.training.run_folder import METRICS
from npr.training.train_config import TrainConfig


class Sink(Protocol):
    """Takes the rows of one session of a run; what it raises ends the sink and not the run."""

    def start(self, start: Start, rows: Sequence[Row]) -> None:
        """Once, before the first update: the run with its configuration, and the rows it has from earlier sessions."""

    def write(self, row: Row) -> None:
        """After a row was added to metrics.jsonl; one with the step of the last takes its place, with more figures."""

    def close(self) -> None:
        """Once, after `start`, however the session ends."""


class FanOut:
    """Events that go to one watcher and, as far as they are rows, to sinks; a context manager, which closes these.

    Parameters
    ----------
    events : Events
        The watcher; it is told once about a sink that failed and gets nothing more.
    sinks : sequence of Sink
        Fed from the start of the run on.
    """

    def __init__(self, events: Events, sinks: Sequence[Sink]) -> None:
        self._events, self._sinks = events, sinks
        self._open: list[Sink] = []
        self.on_step, self.on_measure, self.on_eval = events.on_step, events.on_measure, events.on_eval
        self.on_checkpoint, self.on_message = events.on_checkpoint, events.on_message

    def __enter__(self) -> FanOut:
        return self

    def __exit__(self, *exception: object) -> None:
        self._feed(_close)
        self._open = []

    def on_start(self, start: Start) -> None:
        """Open the sinks."""
        self._events.on_start(start)
        self._open = list(self._sinks)
        rows = read_rows(start.run / METRICS) if self._open else []
        self._feed(lambda sink: sink.start(start, rows))

    def on_log(self, row: Row) -> None:
        """Hand the row on."""
        self._events.on_log(row)
        self._feed(lambda sink: sink.write(row))

    def _feed(self, give: Callable[[Sink], None]) -> None:
        for sink in list(self._open):
            try:
                give(sink)
            except Exception as error:
                self._open.remove(sink)
                with contextlib.suppress(Exception):
                    if give is not _close:
                        sink.close()
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                name = type(sink).__name__
                self.on_message(f"{name} failed and gets no more rows: {reason}. {METRICS} has all of them.")


def open_sinks(train: TrainConfig) -> list[Sink]:
    """The sinks that a configuration asks for.

    Raises
    ------
    ConfigError
        If a package that one of them needs is not installed.
    """
    sinks: list[Sink] = [CsvSink()] if train.csv else []
    if train.tensorboard:
        from npr.training.tensorboard import TensorBoardSink

        sinks.append(TensorBoardSink())
    return sinks


def _close(sink: Sink) -> None:
    sink.close()
