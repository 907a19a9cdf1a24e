"""Ways to show a line of progress on stderr: plain lines, or one that is rewritten in place."""

from __future__ import annotations

import time
from collections.abc import Callable

from npr_cli import terminal

PLAIN_SECONDS = 10.0
LIVE_SECONDS = 0.1


class Plain:
    """Lines of text, progress at most every ten seconds and without control codes."""

    interval = PLAIN_SECONDS

    def __init__(self) -> None:
        self._next = time.monotonic() + self.interval

    def due(self) -> bool:
        """Whether it is time to show progress again."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.interval
        return True

    def say(self, text: str) -> None:
        """One line that stays."""
        terminal.say(text)

    def show(self, text: str, done: float, ahead: str) -> None:
        """The present state."""
        self.say(text + ahead)

    def pause(self, text: str, done: float) -> None:
        """What happens between updates: of no interest in a log."""

    def close(self) -> None:
        """Nothing to clear."""


class Live(Plain):
    """One line at the bottom of the terminal, rewritten in place, with a bar."""

    interval = LIVE_SECONDS

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        whole_line = Column(no_wrap=True, overflow="crop")
        text = TextColumn("{task.description}", table_column=whole_line, markup=False)
        # Refreshed with the updates: a thread of its own would compete with the kernels.
        self._bar = Bar(BarColumn(12), text, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._task = self._bar.add_task("", total=1.0)
        self._begun = self._gone = False

    def say(self, text: str) -> None:
        """One line above the bar."""
        if not self._gone:
            self._try(lambda: self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True))

    def show(self, text: str, done: float, ahead: str) -> None:
        """The bar and the present state."""
        if self._gone:
            return
        if not self._begun:
            self._begun = True
            self._try(self._bar.start)
        self._bar.update(self._task, completed=done, description=text + ahead)
        self._try(self._bar.refresh)

    def pause(self, text: str, done: float) -> None:
        """The bar, and why it stands still."""
        self.show(text, done, "")

    def close(self) -> None:
        """Clear the bar."""
        if self._begun:
            self._try(self._bar.stop)

    def _try(self, write: Callable[[], object]) -> None:
        """A terminal that was closed must not end the training."""
        try:
            write()
        except OSError:
            self._gone = True
