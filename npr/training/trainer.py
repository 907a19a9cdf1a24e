"""The training loop: updates, and what belongs to a finished update (validation, row, checkpoint, stop)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from threadpoolctl import threadpool_limits

from npr.errors import DivergedError, Interrupted, StorageError
from npr.params import count
from npr.training import guard
from npr.training.evaluation import Stopped, reestimated, score
from npr.training.events import Events, Start, Step
from npr.training.finish import measure_test, record
from npr.training.parts import Parts, Weights
from npr.training.result import Result, labelled
from npr.training.run_folder import RunFolder
from npr.training.signals import StopRequest
from npr.training.state import TrainingState, reloads, snapshot
from npr.training.update import update
from npr.training.window import Window

_MAX_FAILED_SAVES = 3


class Trainer:
    """One session of training in a run folder.

    Parameters
    ----------
    folder : RunFolder
        Open and locked.
    config : dict
        Flat configuration, stored in every checkpoint.
    parts : Parts
        What to compute with.
    state : TrainingState
        Where to start; changed in place.
    events : Events
        Who watches.
    """

    def __init__(
        self, folder: RunFolder, config: dict[str, Any], parts: Parts, state: TrainingState, events: Events
    ) -> None:
        self.folder, self.config, self.parts, self.state, self.events = folder, config, parts, state, events
        self._checkpoints = folder.checkpoints(parts.train.keep, events.on_message)
        self._look = self._looker() if parts.train.inspect_every else lambda state: None
        self._stop = StopRequest()
        self._began = time.monotonic() - state.seconds
        self._over = ""
        self._saved = self._mark()
        self._scores: dict[str, float] = {}
        self._failures = 0

    def _looker(self) -> Callable[[TrainingState], None]:
        """What stores inspections; imported here because it needs all of SciPy's linear algebra."""
        from npr.training.inspector import Inspector

        return Inspector(self.folder, self.parts, self.events).look

    def run(self) -> Result:
        """Train to the end, then measure the best state on the test split.

        Returns
        -------
        Result
            Also stored in the run folder.

        Raises
        ------
        DivergedError
            If a loss, gradient or parameter is not finite; nothing is saved then.
        Interrupted
            If a signal asked to stop; the last finished update is saved.
        StorageError
            If the state could not be saved three times in a row, or when it mattered.
        """
        with threadpool_limits(1, user_api="blas"), self._stop:
            self._announce()
            try:
                if self.state.step:
                    self._settle()
                else:
                    self._look(self.state)
                while not self._over:
                    self._advance()
                    self._settle()
            except DivergedError as error:
                error.add_note(
                    f"Nothing of it was saved; earlier checkpoints are in '{self.folder.path}'. "
                    f"Start a run with a smaller lr, or with clip_norm."
                )
                raise
            return self._finish()

    def over(self) -> str:
        """Why there is nothing left to train: "steps", "max_time", "schedule", or "" if there is."""
        limit = self.parts.train.max_time
        if self.state.ended:
            return "schedule"
        if self.state.step >= self.parts.total_steps():
            return "steps"
        return "max_time" if limit and self._seconds() >= limit else ""

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _announce(self) -> None:
        state, dataset = self.state, self.parts.dataset
        begin = Start(
            run=self.folder.path,
            config=self.config,
            task=dataset.name,
            sizes=dataset.sizes,
            parameters=count(state.params),
            step=state.step,
            total_steps=self.parts.total_steps(),
            seconds=state.seconds,
            metric=self.parts.metric,
            baseline=self.parts.baseline,
        )
        self.events.on_start(begin)

    def _advance(self) -> None:
        """One update."""
        done = update(self.parts, self.state)
        self.state.window = self.state.window.add(done)
        hit = done.right / done.entries if done.entries else None
        self.events.on_step(Step(self.state.step, done.loss, hit, done.grad_norm, done.lr, self._seconds()))

    def _settle(self) -> None:
        """All that belongs to a finished update; done again after a resume, it does only what was left."""
        self._over = self.over()
        if self._validation_due() and not self._stop:
            self._validate()
        if self._row_due():
            self._log()
        self._look(self.state)
        if self._stop:
            self._save(must=True)
            raise self._interrupted()
        if self._save_due():
            self._save(must=bool(self._over))

    def _validation_due(self) -> bool:
        state, every = self.state, self.parts.train.eval_every or self.parts.epoch_length()
        held_out = self.parts.dataset.sizes.get("validation", 0)
        return state.evaluated < state.step and held_out > 0 and bool(self._over or self._reached(every))

    def _row_due(self) -> bool:
        state = self.state
        wanted = self._over or state.evaluated == state.step or self._reached(self.parts.train.log_every)
        return state.logged < state.step and bool(wanted) and not self._validation_due()

    def _save_due(self) -> bool:
        best = self.state.best is not None and self.state.best.step == self.state.step
        wanted = self._over or best or self._reached(self.parts.train.checkpoint_every)
        return bool(wanted) and self._mark() != self._saved

    def _reached(self, every: int) -> bool:
        return every > 0 and self.state.step % every == 0

    def _mark(self) -> tuple[int, int, int]:
        """What tells two states of a run apart."""
        return self.state.step, self.state.evaluated, self.state.logged

    def _validate(self) -> None:
        """Measure a copy of the state, let the schedule answer; a stop request leaves it to the resume."""
        state, parts = self.state, self.parts
        self.events.on_measure("validation")
        try:
            buffers = reestimated(parts, Weights(state.params, state.buffers), state.step, self._stopping)
            weights = Weights(state.params, buffers)
            scores = score(parts, weights, "validation", parts.train.eval_norm, self._stopping)
        except Stopped:
            return
        state.schedule, action = parts.schedule.observe(state.schedule, scores[parts.metric], parts.higher)
        if action == "improved":
            state.keep_best(scores, buffers, reloads(parts.schedule))
        elif action in ("reload", "stop"):
            state.go_back()
            state.ended = action == "stop"
            self._over = self._over or self.over()
        state.evaluated, self._scores = state.step, scores
        self.events.on_eval({"step": state.step, **labelled("validation", scores), "best": action == "improved"})

    def _log(self) -> None:
        """Write the row of this step."""
        state = self.state
        measured = labelled("validation", self._scores) if state.evaluated == state.step else {}
        epoch = round(state.step / self.parts.epoch_length(), 4)
        row = {
            "step": state.step,
            "epoch": epoch,
            **state.window.row(self.parts.bits),
            **measured,
            "seconds": self._seconds(),
        }
        state.window, state.logged, state.last_row = Window(), state.step, row
        self.folder.metrics.append(row)
        try:
            self.folder.metrics.flush()
        except OSError as error:
            self.events.on_message(f"Could not write metrics.jsonl: {error.strerror}. Its rows wait for the next try.")
        self.events.on_log(row)

    def _save(self, must: bool = False) -> None:
        """Write a checkpoint; a failure stops training only if it `must` succeed or repeats."""
        state = self.state
        if self._mark() == self._saved:
            return
        guard.check_state(state.step, state.params, state.buffers, state.optimizer, state.carried or ())
        state.seconds = self._seconds()
        try:
            self.folder.metrics.flush(durable=True)
            protect = [state.best.step] if state.best else []
            path = self._checkpoints.save(snapshot(state, self.config), protect)
        except OSError as error:
            self._failures += 1
            text = f"Could not save the state after update {state.step}: {error.strerror or error}."
            if must or self._failures >= _MAX_FAILED_SAVES:
                raise StorageError(f"{text} Free space, then 'npr resume {self.folder.path}'.") from error
            self.events.on_message(f"{text} Training goes on ({self._failures} of {_MAX_FAILED_SAVES} failures).")
            return
        self._failures, self._saved = 0, self._mark()
        self.events.on_checkpoint(path, state.step)

    def _finish(self) -> Result:
        """The test split, read once, by the state that validated best."""
        self.events.on_measure("test")
        try:
            outcome = measure_test(self.parts, self.state, self._stopping)
        except Stopped:
            raise self._interrupted() from None
        result = outcome._replace(run=str(self.folder.path), seconds=self._seconds(), stopped=self._over)
        self.events.on_log(record(self.folder, self.state, result))
        if self.parts.dataset.notice:
            self.events.on_message(self.parts.dataset.notice)
        return result

    def _stopping(self) -> bool:
        return bool(self._stop)

    def _interrupted(self) -> Interrupted:
        path, step = self.folder.path, self.state.step
        return Interrupted(f"Stopped and saved after update {step}. Go on with: npr resume {path}", self._stop.number)
