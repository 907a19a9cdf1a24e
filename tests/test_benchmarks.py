"""The benchmarks' own arithmetic: cases, FLOP convention, agreement, medians and ratios; no timing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import agreement  # noqa: E402
import indrnn_problem as problem  # noqa: E402
import summary  # noqa: E402
import tile_runs  # noqa: E402

CASES = problem.load_cases(BENCHMARKS / "cases.toml")


def test_flop_convention_of_the_fixed_cases():
    # performance.md: 5 of 6 layers, three products of 2 T B H^2; its floor of 53 ms at 234 GFLOP/s.
    assert CASES["indrnn-784x32"].flops == 3 * 5 * 2 * 784 * 32 * 128 * 128
    assert CASES["indrnn-784x32"].flops / 234e9 == pytest.approx(0.053, rel=0.01)


def test_case_rejects_an_unknown_field(tmp_path):
    file = tmp_path / "cases.toml"
    file.write_text("[a]\nseq_len = 1\nbatch_size = 1\nlayers = 1\nhidden_size = 1\nbatchsize = 2\n")
    with pytest.raises(TypeError, match="batchsize"):
        problem.load_cases(file)


def test_problem_follows_from_the_seed():
    case = CASES["indrnn-norm-784x32"].tiny()
    first, again, other = problem.draw(case, 1), problem.draw(case, 1), problem.draw(case, 2)
    assert all(np.array_equal(first.params[name], again.params[name]) for name in first.params)
    assert not np.array_equal(first.x, other.x)
    assert first.params["layers.2.u"].min() >= np.float32(0.5 ** (1 / case.seq_len))


def changed(arrays, name, value):
    return {**arrays, name: value}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("W", np.array([2.0, -4.0]), 0.0),
        ("W", np.array([2.0, -4.4]), 0.1),
        ("W", np.array([2.0, np.nan]), np.inf),
        ("u", np.array([0.5]), 0.5),
    ],
)
def test_disagreement_is_relative_to_the_largest_value(name, value, expected):
    arrays = {"W": np.array([2.0, -4.0]), "u": np.array([0.0])}
    assert problem.disagreement(changed(arrays, name, value), arrays)[name] == pytest.approx(expected)


@pytest.mark.parametrize("other", [{}, {"W": np.zeros((2, 1))}, {"V": np.zeros(2)}])
def test_disagreement_refuses_other_names_and_shapes(other):
    with pytest.raises(ValueError, match=r"different arrays|shape"):
        problem.disagreement(other, {"W": np.zeros(2)})


def fake_results(**offsets):
    """Results of libraries that return 1 plus an offset for one type."""
    return lambda library, dtype: {"W": np.array([1.0 + offsets.get(f"{library}_{dtype}", 0.0)])}


@pytest.mark.parametrize(
    ("offsets", "case", "blamed"),
    [
        ({}, "indrnn-784x32", None),
        ({"npr_float64": 2e-8}, "indrnn-784x32", "npr in float64"),
        ({"jax_float32": 2e-4}, "indrnn-784x32", "jax in float32"),
        ({"jax_float32": 2e-4}, "indrnn-norm-784x32", None),
        ({"npr_float32": 3e-2}, "indrnn-norm-784x32", "npr in float32"),
        ({"torch_float32": 3e-2}, "indrnn-norm-784x32", None),
        ({"torch_float32": np.nan}, "indrnn-norm-784x32", "torch in float32"),
    ],
)
def test_agreement_names_the_library_that_is_off(offsets, case, blamed):
    libraries = ("npr", "torch", "jax")
    if blamed is None:
        found = agreement.agreement(CASES[case], libraries, fake_results(**offsets))
        assert found["float32"].keys() == set(libraries)
        assert found["float32"]["jax"] == pytest.approx(offsets.get("jax_float32", 0.0))
    else:
        with pytest.raises(agreement.Disagreement, match=blamed):
            agreement.agreement(CASES[case], libraries, fake_results(**offsets))


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


def test_added_case_stays_out_of_the_mean():
    case = problem.replace(CASES["indrnn-784x32"], mean=False)
    result = summary.summarise([case], measured([[0.1]], [[0.4]], [[0.3]]), ("torch", "jax"), 2)
    assert result["mean_ratio"] is None


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tile_check_passes_on_the_library(dtype, transposed):
    assert tile_runs.check(tile_runs.Size(10, 37, 41), dtype, transposed) < 32 * np.finfo(dtype).eps


def test_tile_check_refuses_a_wrong_product(monkeypatch):
    monkeypatch.setattr(tile_runs, "_multiply_often", lambda a, panels, c, times: c.fill(1.0))
    with pytest.raises(ValueError, match="off by"):
        tile_runs.check(tile_runs.Size(4, 4, 4))
