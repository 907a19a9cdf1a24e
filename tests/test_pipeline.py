"""The program that divides an update into its parts: no moment counts twice, none is lost, nothing stays wrapped."""

from __future__ import annotations

import json
import math
import sys
import time
from itertools import count
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import pipeline
from stopwatch import REST, Stopwatch

from npr.networks.orthogonal import ExpRNN

TINY = {"model": "exprnn", "task": "copy", "hidden_size": 8, "delay": 3, "batch_size": 2}


class Places:
    """Two functions, one of which calls the other."""

    @staticmethod
    def outer() -> str:
        return Places.inner() + "!"

    @staticmethod
    def inner() -> str:
        return "said"


def test_a_moment_counts_for_the_innermost_phase_alone() -> None:
    ticks = count()
    watch = Stopwatch(lambda: float(next(ticks)))
    with watch.phase("outer"), watch.phase("inner"):
        pass
    assert watch.seconds() == {REST: 2, "outer": 2, "inner": 1}
    assert watch.calls == {"outer": 1, "inner": 1}


def test_a_phase_ends_with_an_error() -> None:
    ticks = count()
    watch = Stopwatch(lambda: float(next(ticks)))
    with pytest.raises(ZeroDivisionError):
        watch.timed("failing", lambda: 1 // 0)()
    assert watch.seconds() == {REST: 2, "failing": 1}


def test_functions_are_watched_within_the_block_only() -> None:
    before = vars(Places)["outer"], vars(Places)["inner"]
    watch = Stopwatch(time.perf_counter)
    with watch.watching([("a", Places, "outer"), ("b", Places, "inner")]):
        assert Places.outer() == "said!"
    assert watch.calls == {"a": 1, "b": 1}
    assert (vars(Places)["outer"], vars(Places)["inner"]) == before


def test_every_phase_of_a_training_is_found_and_all_of_the_time() -> None:
    plain = ExpRNN.forward
    start = time.perf_counter()
    found = pipeline.measure(TINY, 0.05, time.perf_counter, threads=1)
    assert found.updates >= pipeline.LEAST
    assert set(found.phases) == set(pipeline.PHASES)
    assert all(value > 0 for value in found.phases.values())
    assert 1e-3 * sum(found.phases.values()) * found.updates < time.perf_counter() - start
    assert found.validation > 0
    assert ExpRNN.forward is plain
    document = found.document()
    assert math.isclose(sum(document["shares"].values()), 1)
    assert math.isclose(document["not_products"], 1 - document["shares"]["products"])


def test_the_figures_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(pipeline.CASES, "tiny", TINY)
    monkeypatch.setattr(pipeline.machine, "pin", lambda threads: None)
    flags = ["--cases", "tiny", "--seconds", "0.02", "--threads", "1", "-o", str(tmp_path / "a.json")]
    ended = pipeline.main(flags)
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["missed"] == ([] if ended == 0 else ["tiny"])
    assert document["cases"]["tiny"]["updates"] >= pipeline.LEAST
    assert "| tiny |" in capsys.readouterr().out


def test_a_case_without_its_data_is_left_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    nowhere = {"model": "lstm", "task": "charlm", "data": "./there-is-no-such-text.txt"}
    monkeypatch.setitem(pipeline.CASES, "nowhere", nowhere)
    monkeypatch.setattr(pipeline.machine, "pin", lambda threads: None)
    assert pipeline.main(["--cases", "nowhere"]) == 0
    assert "nowhere is left out" in capsys.readouterr().err
