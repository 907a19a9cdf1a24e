"""SIGINT and SIGTERM as a request to stop after the running update; a second one stops at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from npr.errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Context manager that turns the first signal into `number` and the second into Interrupted.

    Outside the main thread Python delivers no signals, and this does nothing.

    Attributes
    ----------
    number : int
        The signal that asked to stop, 0 if none did.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def __bool__(self) -> bool:
        return self.number != 0

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            # A third signal finds the handlers that were there before, should the way out hang.
            self._restore()
            raise Interrupted("Stopped at once. Only the last checkpoint is left of this run.", number)
        self.number = number

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
