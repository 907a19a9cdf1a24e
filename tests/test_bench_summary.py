"""From the seconds of a bench to its figures: medians, ratios, shares, means, verdicts, the table."""

from __future__ import annotations

import pytest
from bench_figures import INDRNN, KNOWN, case, measured

from npr.bench.summary import missed, summarise
from npr.bench.table import table

PEERS = {"torch": [[0.4] * 3, [0.5] * 3], "jax": [[0.3] * 3, [0.6] * 3]}


def row(one, **seconds):
    return summarise([one], measured(**seconds), 2, KNOWN)["cases"][0]


def shown(result, **own):
    return table({**result, "rounds": [0], "threads": 2, "dtype": "float32", **own})


def test_ratio_is_to_the_best_peer_of_the_same_round():
    found = row(INDRNN, npr=[[0.1, 0.1, 9.0], [0.2] * 3], **PEERS)
    assert found["ratio_range"] == pytest.approx([2.5, 3.0])
    assert found["ratio"] == pytest.approx(2.75)
    assert found["ms"] == pytest.approx({"npr": 150.0, "torch": 450.0, "jax": 450.0})
    assert found["share"] == pytest.approx(found["flops"] / 0.15 / 200e9)
    assert found["peak_mb"] == pytest.approx({"npr": 11.0, "torch": 11.0, "jax": 11.0})


def test_compiled_peer_is_a_peer():
    assert row(INDRNN, npr=[[0.1]], torch=[[0.4]], **{"torch.compile": [[0.2]]})["ratio"] == pytest.approx(2.0)


def test_npr_alone_has_figures_but_no_ratio():
    result = summarise([INDRNN], measured(absent={"torch": "not installed"}, npr=[[0.1]]), 2, KNOWN)
    found = result["cases"][0]
    assert (found["ratio"], found["ratio_range"], found["held"]["ratio"]) == (None, None, None)
    assert result["groups"] == []
    assert "No torch: not installed (indrnn-784x128)" in shown(result)


@pytest.mark.parametrize(("goal", "held"), [(0.5, True), (0.99, False)])
def test_goals_are_verdicts_of_their_own(goal, held):
    one = case(goal_ratio=2.9, goal_share=goal, group="")
    at_ninety_percent = one.flops / (0.9 * 200e9)
    result = summarise([one], measured(npr=[[at_ninety_percent]], torch=[[1.0]]), 2, KNOWN)
    assert result["cases"][0]["held"] == {"ratio": True, "share": held}
    assert f">= 2.9x held, >= {goal:.0%} {'held' if held else 'MISSED'}" in shown(result)
    assert [line.split(":")[0] for line in missed(result)] == ([] if held else [one.name])


def test_mean_is_geometric_and_has_no_verdict_until_all_cases_of_the_group_are_in():
    others = {name: one for name, one in KNOWN.items() if one.group == "throughput"}
    chosen = [others[name] for name in ("indrnn-784x128", "dense-784x128-1x128")]
    ratios = measured(npr=[[0.1]], torch=[[0.2]])
    more = measured("dense-784x128-1x128", npr=[[0.1]], torch=[[0.8]])
    ratios["rounds"][0]["turns"] |= more["rounds"][0]["turns"]
    ratios["absent"] |= more["absent"]
    group = summarise(chosen, ratios, 2, KNOWN)["groups"][0]
    assert (group["mean_ratio"], group["measured"], group["held"]) == (pytest.approx(4.0), 2, None)
    whole = summarise(chosen, ratios, 2, {one.name: one for one in chosen})
    assert whole["groups"][0]["held"] is True
    assert "group throughput: geometric mean" in shown(whole).replace("Group", "group")


def test_missed_mean_is_told():
    result = summarise([INDRNN], measured(npr=[[0.1]], torch=[[0.11]]), 2, {INDRNN.name: INDRNN})
    assert "mean of group throughput: 1.10, goal 2.2" in missed(result)


def test_added_case_stays_out_of_the_means():
    result = summarise([case(group="")], measured(npr=[[0.1]], torch=[[0.4]]), 2, KNOWN)
    assert result["groups"] == []


def test_table_has_a_dash_for_a_peer_that_a_case_lacks():
    result = summarise([INDRNN], measured(npr=[[0.1]], torch=[[0.4]]), 2, KNOWN)
    other = {**result["cases"][0], "name": "other", "ms": {"npr": 1.0}, "peak_mb": {"npr": 1.0}}
    text = shown({**result, "cases": [*result["cases"], other]})
    assert "| other | 1.0 | - |" in text
    assert "Ceilings (GFLOP/s, triad GB/s; the number is threads): tile_2 200, triad_2 30" in text


@pytest.mark.parametrize(("factor", "word"), [(0.8, "held"), (0.6, "MISSED")])
def test_bandwidth_is_judged_by_the_triad(factor, word):
    one = KNOWN["elementwise-784x32-128"]
    seconds = one.traffic / (factor * 30e9)
    result = summarise([one], measured(one.name, npr=[[seconds]]), 2, KNOWN)
    found = result["cases"][0]
    assert found["gb_per_s"] == pytest.approx(factor * 30)
    assert found["of_triad"] == pytest.approx(factor)
    assert (found["gflops"], found["share"], found["traffic"]) == (None, None, one.traffic)
    assert f"| {one.name} | {1e3 * seconds:.1f} | {factor * 30:.1f} | {factor:.0%} | - |" in shown(result)
    assert f">= 70% {word}" in shown(result)
    assert missed(result) == ([] if word == "held" else [f"{one.name}: 60% of the triad, goal 70%"])


def test_a_column_of_rates_is_shown_where_a_case_has_one():
    both = [INDRNN, KNOWN["elementwise-784x32-128"]]
    given = measured(npr=[[0.1]])
    other = measured(both[1].name, npr=[[0.1]])
    given["rounds"][0]["turns"] |= other["rounds"][0]["turns"]
    given["absent"] |= other["absent"]
    head, _, *rows = shown(summarise(both, given, 2, KNOWN)).splitlines()
    assert "| GFLOP/s | of FMA | GB/s | of triad |" in head
    assert [row.count("| - |") > 0 for row in rows[:2]] == [True, True]
    assert "GB/s |" not in shown(summarise(both[:1], given, 2, KNOWN))
