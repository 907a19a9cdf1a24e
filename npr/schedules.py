"""Schedules of the learning rate: a factor that depends on the step, and an answer to every validation.

A step counts the updates already made, so the first update has step 0. Schedules hold no state: what they
must remember between validations is a ScheduleState, and `state._asdict()` is ready for JSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from npr.fields import whole, within
from npr.registry import schedules

Action = Literal["improved", "none", "reload", "stop"]


class ScheduleState(NamedTuple):
    """What all validations so far amount to."""

    best: float | None = None  # best metric seen
    waited: int = 0  # validations without improvement that count towards the next reduction
    reduced: int = 1  # divisor of the patience, doubled by every reduction
    factor: float = 1.0  # product of all reductions


Answer = tuple[ScheduleState, Action]


@dataclass(frozen=True)
class Schedule:
    """Constant rate; the others override `factor`, `observe` or both. One that answers "reload" or "stop" `reloads`."""

    reloads: ClassVar[bool] = False

    def factor(self, step: int, total_steps: int) -> float:
        """Multiplier of the learning rate for the update after `step` updates, of `total_steps` in all.

        The rate of an update is lr * schedule.factor(step, total_steps) * state.factor.
        """
        return 1.0

    def observe(self, state: ScheduleState, metric: float, higher: bool = True) -> Answer:
        """Answer to one validation.

        Parameters
        ----------
        state : ScheduleState
            ScheduleState() before the first validation.
        metric : float
            Result of this one; NaN is never an improvement.
        higher : bool
            Whether larger is better.

        Returns
        -------
        ScheduleState, {"improved", "none", "reload", "stop"}
            "improved": save parameters and optimiser state as the best. "reload": go back to them and go on
            with the new state's factor. "stop": go back to them and end.
        """
        if _better(metric, state.best, higher):
            return state._replace(best=float(metric), waited=0), "improved"
        return state, "none"


@schedules.register("constant")
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""


@schedules.register("step")
@dataclass(frozen=True)
class Step(Schedule):
    """gamma^((step - after) // every), 1 for the first `after` updates.

    Parameters
    ----------
    schedule_every : int
        Updates between reductions.
    schedule_gamma : float
        Factor of each.
    schedule_after : int
        Updates before the counting begins.

    Source: IndRNN's adding problem, a tenth every 20,000 updates (Sunnydreamrain/IndRNN_Theano_Lasagne).
    """

    schedule_every: int = 20_000
    schedule_gamma: float = 0.1
    schedule_after: int = 0

    def __post_init__(self) -> None:
        whole("[1, inf)", schedule_every=self.schedule_every)
        whole("[0, inf)", schedule_after=self.schedule_after)
        within("(0, 1]", schedule_gamma=self.schedule_gamma)

    def factor(self, step: int, total_steps: int) -> float:
        return self.schedule_gamma ** (max(step - self.schedule_after, 0) // self.schedule_every)


@schedules.register("patience")
@dataclass(frozen=True)
class Patience(Schedule):
    """Back to the best model with a smaller rate after too many validations without improvement.

    The first reduction comes at the (patience + 2)-th validation in a row that does not improve; after k
    reductions patience stands for int(patience / 2^k + 0.5).

    Parameters
    ----------
    schedule_patience : int
        Validations, as above.
    schedule_gamma : float
        Factor of each reduction.
    schedule_minimum : float
        Training stops at the reduction that takes the factor below this share of the starting rate.

    Source: Sunnydreamrain/IndRNN_pytorch, the option pThre. It stops below a rate of 1e-6 from 2e-4; with the
    factor 0.1 the third reduction ends training.
    """

    schedule_patience: int = 100
    schedule_gamma: float = 0.1
    schedule_minimum: float = 0.005

    reloads: ClassVar[bool] = True

    def __post_init__(self) -> None:
        whole("[0, inf)", schedule_patience=self.schedule_patience)
        within("(0, 1)", schedule_gamma=self.schedule_gamma)
        within("[0, 1)", schedule_minimum=self.schedule_minimum)

    def observe(self, state: ScheduleState, metric: float, higher: bool = True) -> Answer:
        if _better(metric, state.best, higher):
            return state._replace(best=float(metric), waited=0), "improved"
        if state.waited <= int(self.schedule_patience / state.reduced + 0.5):
            return state._replace(waited=state.waited + 1), "none"
        factor = state.factor * self.schedule_gamma
        after = state._replace(waited=0, reduced=2 * state.reduced, factor=factor)
        return after, "stop" if factor < self.schedule_minimum else "reload"


@schedules.register("plateau")
@dataclass(frozen=True)
class Plateau(Schedule):
    """A smaller rate after validations without improvement; training goes on from where it is.

    Parameters
    ----------
    schedule_patience : int
        Validations in a row without improvement that are let pass; 0 reduces the rate at the first.
    schedule_gamma : float
        Factor of each reduction.

    Source: language_task.py of the nnRNN suite, half the rate after every epoch without improvement.
    """

    schedule_patience: int = 0
    schedule_gamma: float = 0.5

    def __post_init__(self) -> None:
        whole("[0, inf)", schedule_patience=self.schedule_patience)
        within("(0, 1)", schedule_gamma=self.schedule_gamma)

    def observe(self, state: ScheduleState, metric: float, higher: bool = True) -> Answer:
        if _better(metric, state.best, higher):
            return state._replace(best=float(metric), waited=0), "improved"
        if state.waited < self.schedule_patience:
            return state._replace(waited=state.waited + 1), "none"
        return state._replace(waited=0, factor=state.factor * self.schedule_gamma), "none"


@schedules.register("cosine")
@dataclass(frozen=True)
class Cosine(Schedule):
    """end + (1 - end) (1 + cos(pi step / total)) / 2.

    Parameters
    ----------
    schedule_end : float
        Factor after the last update.

    Source: arXiv 1608.03983, equation 5, one period.
    """

    schedule_end: float = 0.0

    def __post_init__(self) -> None:
        within("[0, 1]", schedule_end=self.schedule_end)

    def factor(self, step: int, total_steps: int) -> float:
        return _fall(1.0, self.schedule_end, _done(step, total_steps))


@schedules.register("one-cycle")
@dataclass(frozen=True)
class OneCycle(Schedule):
    """A straight line from start to 1 over the first part of training, then half a cosine down to end.

    Parameters
    ----------
    schedule_warmup : float
        Share of all updates in the first part.
    schedule_start, schedule_end : float
        Factor of the first update, and after the last.

    Source: arXiv 1708.07120; the shape is that of our own IndRNN trial on permuted MNIST.
    """

    schedule_warmup: float = 0.25
    schedule_start: float = 0.05
    schedule_end: float = 0.0

    def __post_init__(self) -> None:
        within("[0, 1)", schedule_warmup=self.schedule_warmup)
        within("[0, 1]", schedule_start=self.schedule_start, schedule_end=self.schedule_end)

    def factor(self, step: int, total_steps: int) -> float:
        done, peak = _done(step, total_steps), self.schedule_warmup
        if done < peak:
            return self.schedule_start + (1 - self.schedule_start) * done / peak
        return _fall(1.0, self.schedule_end, (done - peak) / (1 - peak))


@schedules.register("warm-up")
@dataclass(frozen=True)
class WarmUp(Schedule):
    """(step + 1) / n for the first n updates, then 1.

    Parameters
    ----------
    schedule_warmup_steps : int
        n; 0 leaves the rate constant.

    Source: arXiv 1706.02677, section 2.2.
    """

    schedule_warmup_steps: int = 1000

    def __post_init__(self) -> None:
        whole("[0, inf)", schedule_warmup_steps=self.schedule_warmup_steps)

    def factor(self, step: int, total_steps: int) -> float:
        return min(1.0, (step + 1) / max(self.schedule_warmup_steps, 1))


def _better(metric: float, best: float | None, higher: bool) -> bool:
    if math.isnan(metric):
        return False
    return best is None or (metric > best if higher else metric < best)


def _done(step: int, total_steps: int) -> float:
    return min(step / total_steps, 1.0) if total_steps > 0 else 1.0


def _fall(high: float, low: float, done: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * done)) / 2
