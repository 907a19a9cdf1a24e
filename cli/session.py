"""One training that a person watches: progress, and the way back into it after a signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from npr.errors import Interrupted
from npr_cli import outcome
from npr_cli.progress import Progress

if TYPE_CHECKING:
    from npr.training import Events, Result


def watch(work: Callable[[Events], Result], quiet: bool, verbose: bool) -> Result:
    """Run `work` under a progress display.

    Raises
    ------
    Interrupted
        If a signal stopped it, with the command that goes on.
    """
    progress = Progress(quiet, verbose)
    try:
        # Training looks for NaN and infinity itself and names the array.
        with progress, np.errstate(all="ignore"):
            return work(progress)
    except Interrupted as error:
        raise Interrupted(_farewell(progress) or str(error), error.exit_code - 128) from error


def _farewell(progress: Progress) -> str:
    """What was saved; empty if the newest update was not."""
    if progress.run is None or progress.checkpoint is None or progress.checkpoint_step != progress.step:
        return ""
    again = outcome.label(progress.run)
    return f"finishing step {progress.step} ... saved {progress.checkpoint}; resume with: npr resume {again}"
