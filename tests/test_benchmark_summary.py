"""From the seconds of a benchmark to its figures: medians, ratios, shares, verdicts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import dense_problem  # noqa: E402
import indrnn_problem as problem  # noqa: E402
import summary  # noqa: E402
from problem import load_cases  # noqa: E402

CASES = load_cases(BENCHMARKS / "cases.toml", problem.Case)
DENSE = load_cases(BENCHMARKS / "cases_dense.toml", dense_problem.Case)


def measured(npr, torch, jax):
    """Rounds of one case with the given seconds per round."""
    rounds = zip(npr, torch, jax, strict=True)
    return {
        "rounds": [
            {"ceilings": {"tile_2": 200.0}, "seconds": {"indrnn-784x32": {"npr": a, "torch": b, "jax": c}}}
            for a, b, c in rounds
        ]
    }


def test_ratio_is_to_the_better_peer_of_the_same_round():
    seconds = measured([[0.1, 0.1, 9.0], [0.2] * 3], [[0.4] * 3, [0.5] * 3], [[0.3] * 3, [0.6] * 3])
    row = summary.summarise([CASES["indrnn-784x32"]], seconds, ("torch", "jax"), 2)["cases"][0]
    assert row["ratio_range"] == pytest.approx([2.5, 3.0])
    assert row["ratio"] == pytest.approx(2.75)
    assert row["ms"] == pytest.approx({"npr": 150.0, "torch": 450.0, "jax": 450.0})
    assert row["share"] == pytest.approx(row["flops"] / 0.15 / 200e9)
    assert not row["held"]


@pytest.mark.parametrize(("share_goal", "held"), [(0.5, True), (0.99, False)])
def test_goals_need_both_figures(share_goal, held):
    case = problem.replace(CASES["indrnn-784x32"], goal_ratio=2.9, goal_share=share_goal)
    at_ninety_percent = case.flops / (0.9 * 200e9)
    seconds = measured([[at_ninety_percent] * 3], [[1.0] * 3], [[2.0] * 3])
    result = summary.summarise([case], seconds, ("torch", "jax"), 2)
    assert result["cases"][0]["held"] is held
    assert ("held" if held else "MISSED") in summary.table(result)


def test_share_that_does_not_bind_is_a_verdict_of_its_own():
    case = problem.replace(CASES["indrnn-784x32"], goal_ratio=2.9, goal_share=0.99, share_binds=False)
    result = summary.summarise([case], measured([[0.1]], [[0.4]], [[0.3]]), ("torch", "jax"), 2)
    row = result["cases"][0]
    assert (row["held"], row["ratio_held"], row["share_held"]) == (True, True, False)
    assert ">= 2.9x held, >= 99% MISSED" in summary.table(result)
    assert not any(one.share_binds for one in DENSE.values())


def test_ratio_may_be_to_one_of_the_peers():
    seconds = measured([[0.1]], [[0.4]], [[0.3]])
    result = summary.summarise([CASES["indrnn-784x32"]], seconds, ("torch",), 2)
    assert result["cases"][0]["ratio"] == pytest.approx(4.0)
    assert "jax ms | ratio to torch |" in summary.table(result)
    assert importlib.import_module("lstm_peers").BENCHMARK.rivals == ("torch",)


def test_added_case_stays_out_of_the_mean():
    case = problem.replace(CASES["indrnn-784x32"], mean=False)
    result = summary.summarise([case], measured([[0.1]], [[0.4]], [[0.3]]), ("torch", "jax"), 2)
    assert result["mean_ratio"] is None
