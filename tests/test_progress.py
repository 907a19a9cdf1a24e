"""What a training run shows while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from npr.tasks.base import Baseline
from npr.training import Result
from npr.training.events import Start, Step
from npr_cli import outcome, progress, terminal, view
from npr_cli.options import Assignment, Duration, given


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns; starts at 0."""
    now = [0.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: now[0])
    return now


def start(**config):
    full = {"model": "indrnn", "layers": 2, "hidden_size": 8, "batch_size": 4, **config}
    return Start(Path("runs/0007-indrnn-pmnist"), full, "pmnist", {"train": 100}, 226, 0, 1000, 0.0)


def step(number, seconds):
    return Step(number, 1.25, 0.5, 2.0, 1e-3, seconds)


def test_plain_lines_come_every_ten_seconds(clock, capsys):
    shown = progress.Progress()
    shown.on_start(start())
    capsys.readouterr()
    for number in range(1, 100):
        clock[0] = 0.35 * number
        shown.on_step(step(number, clock[0]))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["29", "58", "87"]
    assert lines[0] == "step     29  loss 1.2500  acc 0.500  |g| 2  2.86 it/s  eta 5:40"


def test_the_wait_for_the_first_update_is_explained(monkeypatch):
    said = []
    monkeypatch.setattr(terminal, "say_later", lambda text, seconds: said.append((text, seconds)) or Timer())
    shown = progress.Progress()
    shown.on_start(start())
    assert "compiled" in said[0][0]
    assert not Timer.cancelled
    shown.on_step(step(1, 0.1))
    assert Timer.cancelled


class Timer:
    """Stands for a running timer."""

    cancelled = False

    def cancel(self):
        """Remember the call."""
        Timer.cancelled = True


def test_validation_is_shown_with_the_next_line(clock, capsys):
    shown = progress.Progress()
    shown.on_start(start())
    shown.on_eval({"step": 5, "validation_loss": 0.3, "validation_accuracy": 0.9125, "best": True})
    clock[0] = 11.0
    shown.on_step(step(6, 11.0))
    assert "val 0.9125*" in capsys.readouterr().err


def test_the_loss_stands_beside_its_baseline(clock, capsys):
    shown = progress.Progress()
    shown.on_start(start()._replace(metric="loss", baseline=Baseline("always 1", 1 / 6)))
    capsys.readouterr()
    shown.on_eval({"step": 5, "validation_loss": 0.3, "validation_accuracy": 0.9125, "best": True})
    clock[0] = 11.0
    shown.on_step(step(6, 11.0))
    line = "step      6  loss 1.2500 (baseline 0.1667)  acc 0.500  |g| 2  val loss 0.3*"
    assert capsys.readouterr().err.strip() == line


def test_the_summary_names_the_baseline(capsys):
    figures = {"loss": 0.05}
    result = Result("r", "m", "adding", 9, 6, 1.5, "running", "steps", figures, figures, figures)
    for baseline in (None, {"name": "always 1", "loss": 1 / 6}):
        outcome.show(result._replace(baseline=baseline), as_json=False)
    without, line = capsys.readouterr().out.split("updates in", 1)
    assert "baseline" not in without
    assert "  test       loss 0.0500\n  baseline   loss 0.1667  (always 1)\n" in line


def test_the_outline_says_where_training_data_is_not_kept():
    sizes = {"validation": 1000, "test": 50}
    text = progress.outline(start()._replace(sizes=sizes))
    assert "on pmnist (fresh sequences every update / 1,000 validation / 50 test)" in text


def test_a_terminal_says_why_no_update_is_made(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "is_live", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.Progress() as shown:
        shown.on_start(start())
        shown.on_step(step(6, 11.0))
        capsys.readouterr()
        shown.on_measure("validation")
    assert "step      6  measuring on the validation split" in capsys.readouterr().err


def test_a_log_is_not_told_of_every_measurement(capsys):
    shown = progress.Progress()
    shown.on_start(start())
    capsys.readouterr()
    shown.on_measure("validation")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("shape", "text"), [({}, "indrnn 2x8, 226 "), ({"layers": None}, "indrnn, 226 ")])
def test_outline(shape, text):
    begin = start(**shape)
    config = {key: value for key, value in begin.config.items() if value is not None}
    assert progress.outline(begin._replace(config=config)).startswith(text)


def test_quiet_keeps_messages(clock, capsys):
    shown = progress.Progress(quiet=True)
    shown.on_start(start())
    clock[0] = 100.0
    shown.on_step(step(1, 100.0))
    shown.on_message("the disk is full")
    assert capsys.readouterr().err == "the disk is full\n"


def test_a_time_limit_bounds_the_estimate():
    rate = progress.Rate(start(max_time=100.0))
    rate.note(step(10, 10.0))
    rate.note(step(20, 20.0))
    assert rate.ahead() == (0.2, "  1 it/s  eta 1:20")


def test_rate_leaves_out_the_first_update():
    rate = progress.Rate(start())
    rate.note(step(1, 60.0))
    assert rate.ahead() == (0.001, "")
    rate.note(step(101, 70.0))
    assert rate.ahead() == (0.101, "  10 it/s  eta 1:30")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3661, "1:01:01")])
def test_clock(seconds, text):
    assert progress.clock(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("0.5h", 1800)]
)
def test_durations(text, seconds):
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("lr=1e-3", ("lr", 0.001)),
        ("hidden-size=8", ("hidden_size", 8)),
        ("norm=time", ("norm", "time")),
        ('norm="time"', ("norm", "time")),
        ("split=tail:5000", ("split", "tail:5000")),
        ("blocks=[8, 6, 4]", ("blocks", [8, 6, 4])),
        ("data_dir=", ("data_dir", "")),
        ("lr_by_prefix={ 'layers.0.' = 0.1 }", ("lr_by_prefix", {"layers.0.": 0.1})),
        ("data=2026-01-01", ("data", "2026-01-01")),
        ("data=1\nseed = 2", ("data", "1\nseed = 2")),
    ],
)
def test_assignments(text, pair):
    assert Assignment().convert(text, None, None) == pair


def test_an_assignment_may_repeat_an_option():
    assert given({"lr": 0.1, "seed": None}, (("lr", 0.1), ("beta1", 0.8))) == {"lr": 0.1, "beta1": 0.8}


@pytest.mark.parametrize(
    ("run", "label"),
    [("runs/0007-indrnn-pmnist", "0007"), ("elsewhere/0007-x", "elsewhere/0007-x"), ("my run", "'my run'")],
)
def test_label_of_a_run(run, label, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outcome.label(Path(run)) == label
