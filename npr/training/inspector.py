"""The inspections that a training makes of itself every so many updates."""

from __future__ import annotations

import numpy as np

from npr.inspect.inspection import brief
from npr.training.events import Events
from npr.training.inspecting import probe, subject_of
from npr.training.inspections import inspections, write_inspection
from npr.training.parts import Parts, Weights
from npr.training.run_folder import RunFolder
from npr.training.state import TrainingState


class Inspector:
    """Looks at the same batch every `inspect_every` updates and before the first one.

    Parameters
    ----------
    folder : RunFolder
        Where the series are stored.
    parts : Parts
        The run.
    events : Events
        Is told if they cannot be written; training goes on.
    """

    def __init__(self, folder: RunFolder, parts: Parts, events: Events) -> None:
        self._folder, self._parts, self._events = folder, parts, events
        self._every = parts.train.inspect_every
        self._batch = probe(parts) if self._every else None
        self._done = set(inspections(folder.path))

    def look(self, state: TrainingState) -> None:
        """Store the series of this step if it is one that is wanted and not there yet."""
        step = state.step
        if self._batch is None or step % self._every or step in self._done:
            return
        with np.errstate(all="ignore"):
            found = brief(subject_of(self._parts, Weights(state.params, state.buffers), self._batch))
        try:
            write_inspection(self._folder.disk, self._folder.path, step, found)
        except OSError as error:
            self._events.on_message(f"Could not store the inspection of step {step}: {error.strerror or error}.")
        self._done.add(step)
