"""The training loop: selection on validation, one look at the test split, time limits, signals, evaluation."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeData, config, parts, run_of
from watching import Recorder, bits, newest, rows, signalled

from npr.errors import ConfigError, Interrupted
from npr.training import Result, evaluate, fit, resume


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A run and its result."""
    path = tmp_path_factory.mktemp("plain")
    chosen, made = run_of("plain")
    return path, fit(chosen, run=path, parts=made)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_after_the_update_and_saves_it(tmp_path: Path, number: int, code: int) -> None:
    chosen, made = run_of("plain")
    watcher = signalled(5, number)
    with pytest.raises(Interrupted, match=f"npr resume {tmp_path}") as caught:
        fit(chosen, watcher, tmp_path, made)
    assert caught.value.exit_code == code
    assert (newest(tmp_path).step, len(watcher.steps)) == (5, 5)


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    chosen, made = run_of("plain")

    def twice(step: int) -> None:
        if step == 5:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match="at once") as caught:
        fit(chosen, Recorder(twice), tmp_path, made)
    assert caught.value.exit_code == 143
    assert newest(tmp_path).step == 4


def test_the_handlers_of_the_caller_come_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    chosen, made = run_of("plain")
    fit(chosen, run=tmp_path, parts=made)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("flags", [{"eval_every": 1}, {"eval_every": 1, "reestimate": 4}, {"eval_norm": "both"}])
def test_validation_does_not_disturb_training(tmp_path: Path, flags: dict[str, Any]) -> None:
    found = []
    for number, chosen in enumerate((config(eval_every=99), config(**flags))):
        fit(chosen, run=tmp_path / str(number), parts=parts(chosen))
        stored = newest(tmp_path / str(number))
        tensors = {name: value.tobytes() for name, value in stored.tensors.items() if "best/" not in name}
        found.append((tensors, stored.state["rng"], stored.state["data"]))
    assert found[0] == found[1]


def test_another_seed_gives_another_run(tmp_path: Path, plain: Any) -> None:
    chosen, made = run_of("plain", seed=2)
    fit(chosen, run=tmp_path, parts=made)
    assert bits(newest(tmp_path)) != bits(newest(plain[0]))


def test_the_test_split_is_read_once_at_the_end(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    data, watcher = FakeData(), Recorder()
    fit(chosen, watcher, tmp_path, made._replace(dataset=data))
    assert (data.read.count("test"), data.read[-1]) == (1, "test")
    assert watcher.measured == ["validation"] * len(watcher.validated) + ["test"]


@pytest.mark.parametrize("variant", ["plain", "re-estimated statistics", "both statistics"])
def test_the_test_split_meets_the_best_validation(tmp_path: Path, variant: str) -> None:
    chosen, made = run_of(variant, lr=0.3, eval_every=2, steps=30)
    made = made._replace(optimizer=dataclasses.replace(made.optimizer, lr=0.4))
    watcher = Recorder()
    result = fit(chosen, watcher, tmp_path, made)
    best = max(watcher.validated, key=lambda row: row["validation_accuracy"])
    folder = tmp_path / "ckpt" / f"step-{best['step']:08d}"
    assert result.best_step == best["step"] < 30
    assert result.validation["accuracy"] == best["validation_accuracy"]
    assert evaluate(folder, "test", parts=made)["test"] == result.test
    assert evaluate(tmp_path, "test", parts=made)["test"] == result.test


def test_without_validation_the_last_state_is_measured(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    made = made._replace(dataset=FakeData({"train": 24, "validation": 0, "test": 9}))
    result = fit(chosen, run=tmp_path, parts=made)
    assert (result.best_step, result.validation) == (20, {})
    assert result.test.keys() == {"loss", "accuracy"}


def test_rows_are_unique_and_the_last_has_the_test_figures(plain: Any) -> None:
    path, result = plain
    found = rows(path)
    steps = [row["step"] for row in found]
    assert steps == [3, 6, 9, 12, 15, 18, 20]
    assert [step for step, row in zip(steps, found, strict=True) if "validation_loss" in row] == [6, 12, 18, 20]
    assert found[-1]["test_accuracy"] == result.test["accuracy"]


def test_figures_of_a_row_are_means_over_its_updates(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    watcher = Recorder()
    fit(chosen, watcher, tmp_path, made)
    wanted = np.mean([step.loss for step in watcher.steps[3:6]])
    assert rows(tmp_path)[1]["loss"] == pytest.approx(wanted, rel=1e-12)


class Clock:
    """A monotonic clock that advances by `tick` at each look."""

    def __init__(self, tick: float) -> None:
        self.now, self.tick = 1e6, tick

    def monotonic(self) -> float:
        self.now += self.tick
        return self.now


def test_max_time_stops_early_and_still_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npr.training.trainer.time", Clock(1.0))
    chosen, made = run_of("plain", max_time=20.0)
    result = fit(chosen, run=tmp_path, parts=made)
    assert result.stopped == "max_time"
    assert 0 < result.steps < 20
    assert result.test.keys() == {"loss", "accuracy"}
    assert rows(tmp_path)[-1]["validation_loss"] > 0


def test_seconds_add_up_and_more_time_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npr.training.trainer.time", Clock(1.0))
    chosen, made = run_of("plain", max_time=20.0)
    first = fit(chosen, run=tmp_path, parts=made)
    second = resume(tmp_path, {"max_time": 40.0}, parts=made)
    third = resume(tmp_path, {"max_time": 1e9}, parts=made)
    assert first.steps < second.steps < third.steps == 20
    assert (first.seconds < second.seconds < third.seconds, second.seconds > 39) == (True, True)


def test_patience_goes_back_to_the_best_state(tmp_path: Path) -> None:
    chosen, made = run_of("patience", schedule_minimum=0.5)
    watcher = Recorder()
    result = fit(chosen, watcher, tmp_path, made)
    stored = newest(tmp_path)
    pairs = [(name, f"best/{name}") for name in stored.tensors if f"best/{name}" in stored.tensors]
    assert result.stopped == "schedule"
    assert result.steps < 20
    assert len(pairs) == 7
    assert all(stored.tensors[a].tobytes() == stored.tensors[b].tobytes() for a, b in pairs)


@pytest.mark.parametrize("split", ["test", "train", "validation"])
def test_evaluation_fills_the_split_it_was_asked_for(plain: Any, split: str) -> None:
    path, result = plain
    found = evaluate(path, split, parts=run_of("plain")[1])
    assert found[split].keys() == {"loss", "accuracy"}
    assert found["steps"] == 20
    assert split == "train" or found[split] == getattr(result, split)


def test_evaluation_can_take_other_statistics(plain: Any) -> None:
    path, _ = plain
    found = [evaluate(path, "test", norm, parts=run_of("plain")[1])["test"] for norm in ("running", "batch", "both")]
    assert found[2] == {**found[0], **{f"batch_{key}": value for key, value in found[1].items()}}
    assert found[0] != found[1]


def test_an_unknown_split_is_refused(plain: Any) -> None:
    with pytest.raises(ConfigError, match="train, validation, test"):
        evaluate(plain[0], "dev", parts=run_of("plain")[1])
