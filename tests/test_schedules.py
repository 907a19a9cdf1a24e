"""Learning-rate schedules: published counts of the patience loop, and the shapes of the others."""

from __future__ import annotations

import json
import math

import pytest

from npr import registry
from npr.errors import ConfigError
from npr.schedules import Constant, Cosine, OneCycle, Patience, Plateau, Schedule, ScheduleState, Step, WarmUp


def watch(schedule: Schedule, metrics: list[float], higher: bool = True) -> list[tuple[ScheduleState, str]]:
    state, seen = ScheduleState(), []
    for metric in metrics:
        state, action = schedule.observe(state, metric, higher)
        seen.append((state, action))
    return seen


def turning_points(schedule: Schedule, validations: int) -> list[tuple[int, str]]:
    """Number of each validation after the best one whose answer is not "none"."""
    seen = watch(schedule, [0.9] + [0.8] * validations)
    return [(k, action) for k, (_, action) in enumerate(seen) if k and action != "none"]


@pytest.mark.parametrize(
    ("patience", "wanted"),
    [
        # Patience 100, 50, 25: reductions after 102, 52 and 27 validations.
        (100, [(102, "reload"), (154, "reload"), (181, "stop")]),
        # 200, 100, 50
        (200, [(202, "reload"), (304, "reload"), (356, "stop")]),
        # 5, int(2.5 + 0.5) = 3, int(1.25 + 0.5) = 1
        (5, [(7, "reload"), (12, "reload"), (15, "stop")]),
        (0, [(2, "reload"), (4, "reload"), (6, "stop")]),
    ],
)
def test_patience_reduces_at_the_published_counts(patience, wanted):
    assert turning_points(Patience(schedule_patience=patience), wanted[-1][0]) == wanted


def test_patience_with_the_factor_of_ptb_reduces_four_times():
    # 2e-4 * 0.2^4 = 3.2e-7 is the first rate below 1e-6.
    actions = [action for _, action in turning_points(Patience(schedule_gamma=0.2, schedule_patience=0), 8)]
    assert actions == ["reload", "reload", "reload", "stop"]


def test_patience_follows_the_published_loop():
    # The loop of the original with a list of accuracies, written out.
    metrics = [0.1, 0.3, 0.2, 0.3, 0.25, 0.4, 0.1, 0.2, 0.4, 0.39, 0.3, 0.41] + 3 * [0.0, 0.1]
    metrics += [0.2]
    best, patience, reduced, lr, wanted = -1.0, 0, 1, 2e-4, []
    for metric in metrics:
        if metric > best:
            best, patience = metric, 0
            wanted.append("improved")
        elif patience > int(2 / reduced + 0.5):
            lr, reduced, patience = lr * 0.1, reduced * 2, 0
            wanted.append("stop" if lr < 1e-6 else "reload")
        else:
            patience += 1
            wanted.append("none")
    assert {"improved", "none", "reload", "stop"} == set(wanted)
    assert [action for _, action in watch(Patience(schedule_patience=2), metrics)] == wanted


def test_improvement_starts_the_count_again_but_keeps_the_reductions():
    state = ScheduleState(best=0.5, waited=7, reduced=4, factor=0.01)
    assert Patience().observe(state, 0.6) == (ScheduleState(0.6, 0, 4, 0.01), "improved")


def test_reduction_keeps_the_best():
    state = ScheduleState(best=0.5, waited=101, reduced=1, factor=1.0)
    assert Patience().observe(state, 0.5) == (ScheduleState(0.5, 0, 2, 0.1), "reload")


@pytest.mark.parametrize("schedule", [Constant(), Step(), Patience(), Cosine(), OneCycle(), WarmUp()])
@pytest.mark.parametrize(
    ("metrics", "higher", "wanted", "best"),
    [
        ([0.5, 0.5, 0.6, 0.4], True, ["improved", "none", "improved", "none"], 0.6),
        ([0.5, 0.5, 0.6, 0.4], False, ["improved", "none", "none", "improved"], 0.4),
        ([math.nan, 0.1, math.nan, 0.2], True, ["none", "improved", "none", "improved"], 0.2),
    ],
)
def test_every_schedule_keeps_the_best(schedule, metrics, higher, wanted, best):
    seen = watch(schedule, metrics, higher)
    assert [action for _, action in seen] == wanted
    assert seen[-1][0].best == best


@pytest.mark.parametrize("state", [ScheduleState(), ScheduleState(0.1 + 0.2, 3, 4, 0.1**2)])
def test_state_survives_json(state):
    assert ScheduleState(**json.loads(json.dumps(state._asdict()))) == state


@pytest.mark.parametrize(
    ("schedule", "step", "wanted"),
    [
        (Constant(), 123, 1.0),
        (Patience(), 123, 1.0),
        (Step(schedule_every=10, schedule_gamma=0.1), 0, 1.0),
        (Step(schedule_every=10, schedule_gamma=0.1), 9, 1.0),
        (Step(schedule_every=10, schedule_gamma=0.1), 10, 0.1),
        (Step(schedule_every=10, schedule_gamma=0.1), 39, 0.001),
        (Cosine(), 0, 1.0),
        (Cosine(), 250, 0.5 + math.sqrt(0.125)),
        (Cosine(), 500, 0.5),
        (Cosine(), 1000, 0.0),
        (Cosine(), 1500, 0.0),
        (Cosine(schedule_end=0.1), 500, 0.55),
        (Cosine(schedule_end=0.1), 1000, 0.1),
        (OneCycle(), 0, 0.05),
        (OneCycle(), 125, 0.525),
        (OneCycle(), 250, 1.0),
        (OneCycle(), 625, 0.5),
        (OneCycle(), 1000, 0.0),
        (OneCycle(schedule_warmup=0.0), 0, 1.0),
        (OneCycle(schedule_warmup=0.5, schedule_start=0.2, schedule_end=0.3), 250, 0.6),
        (OneCycle(schedule_warmup=0.5, schedule_start=0.2, schedule_end=0.3), 750, 0.65),
        (WarmUp(schedule_warmup_steps=4), 0, 0.25),
        (WarmUp(schedule_warmup_steps=4), 2, 0.75),
        (WarmUp(schedule_warmup_steps=4), 3, 1.0),
        (WarmUp(schedule_warmup_steps=4), 900, 1.0),
        (WarmUp(schedule_warmup_steps=0), 0, 1.0),
    ],
)
def test_factor_of_1000_updates(schedule, step, wanted):
    assert schedule.factor(step, 1000) == pytest.approx(wanted, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("schedule", [Cosine(), OneCycle()])
def test_training_of_unknown_length_has_no_rate_to_fall_from(schedule):
    assert schedule.factor(0, 0) == 0.0


@pytest.mark.parametrize(
    ("schedule", "key", "value"),
    [
        (Step, "schedule_every", 0),
        (Step, "schedule_every", 2.5),
        (Step, "schedule_gamma", 0.0),
        (Patience, "schedule_patience", -1),
        (Patience, "schedule_patience", True),
        (Patience, "schedule_gamma", 1.0),
        (Patience, "schedule_minimum", 1.0),
        (Cosine, "schedule_end", 1.5),
        (OneCycle, "schedule_warmup", 1.0),
        (OneCycle, "schedule_start", -0.1),
        (OneCycle, "schedule_end", math.nan),
        (WarmUp, "schedule_warmup_steps", -1),
    ],
)
def test_bad_values_are_named(schedule, key, value):
    with pytest.raises(ConfigError, match=rf"^{key} = {value} is not valid; it must be a .*number in [\[(]"):
        schedule(**{key: value})


@pytest.mark.parametrize("name", ["constant", "step", "patience", "cosine", "one-cycle", "warm-up"])
def test_registered(name):
    assert name in registry.schedules.names()
    assert isinstance(registry.schedules.get(name)(), Schedule)


def test_a_plateau_takes_a_smaller_rate_and_goes_on_from_where_it_is() -> None:
    schedule = Plateau(schedule_gamma=0.5)
    state, seen = ScheduleState(), []
    for loss in (3.0, 2.0, 2.5, 2.0, 1.9, 2.0, float("nan")):
        state, action = schedule.observe(state, loss, higher=False)
        seen.append((action, state.factor))
    assert seen == [("improved", 1), ("improved", 1), ("none", 0.5), ("none", 0.25), ("improved", 0.25),
                    ("none", 0.125), ("none", 0.0625)]  # fmt: skip
    assert not schedule.reloads
    assert Patience().reloads


def test_a_plateau_may_wait() -> None:
    schedule = Plateau(schedule_patience=2)
    state, factors = ScheduleState(), []
    for loss in (1.0, *[2.0] * 6, 0.5, 1.0, 1.0, 1.0):
        state, _ = schedule.observe(state, loss, higher=False)
        factors.append(state.factor)
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125]


def test_steps_may_begin_later() -> None:
    """karpathy/char-rnn: 0.97 after every epoch of 423 updates, from the end of the tenth on."""
    schedule = Step(schedule_every=423, schedule_gamma=0.97, schedule_after=9 * 423)
    for epochs, factor in ((0, 1), (9, 1), (10, 0.97), (11, 0.97**2), (50, 0.97**41)):
        assert schedule.factor(epochs * 423, 0) == pytest.approx(factor)
    assert schedule.factor(10 * 423 - 1, 0) == 1
