"""Where the time of a running program goes: functions are wrapped from outside, every moment counts for one phase."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

REST = "rest"


class Stopwatch:
    """Seconds of each phase; those of a phase within another one count for the inner phase alone.

    Parameters
    ----------
    clock : callable
        Seconds: `time.perf_counter`, or `time.process_time` where other programs want the cores too.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._stack = clock, [REST]
        self.reset()

    def reset(self) -> None:
        """Forget what was measured; phases that are open now begin here."""
        self._seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._since = self._clock()

    def seconds(self) -> dict[str, float]:
        """Seconds of each phase up to now; outside of all phases it is "rest"."""
        self._turn()
        return dict(self._seconds)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The block counts for `name`, but for phases within it."""
        self._turn()
        self._stack.append(name)
        self.calls[name] += 1
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` as a phase."""

        @functools.wraps(function)
        def within(*arguments: Any, **options: Any) -> Any:
            with self.phase(name):
                return function(*arguments, **options)

        return within

    @contextmanager
    def watching(self, places: Iterable[tuple[str, Any, str]]) -> Iterator[None]:
        """Within the block, each (phase, class or module, name of a function in it) is timed."""
        with ExitStack() as stack:
            for phase, owner, name in places:
                stack.enter_context(patch.object(owner, name, self.timed(phase, getattr(owner, name))))
            yield

    def _turn(self) -> None:
        now = self._clock()
        self._seconds[self._stack[-1]] += now - self._since
        self._since = now
