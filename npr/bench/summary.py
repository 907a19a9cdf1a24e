"""From the turns of all rounds to one row per case, and the geometric means of the two groups."""

from __future__ import annotations

import statistics
from typing import Any

from npr.bench.problem import GROUPS, Case

MEAN_GOALS = {"throughput": 2.2, "small": 3.5}
Row = dict[str, Any]


def summarise(cases: list[Case], measured: dict[str, Any], threads: int, known: dict[str, Case]) -> dict[str, Any]:
    """Median ceilings, one row per case, and the mean ratio of every group.

    Parameters
    ----------
    cases : list of Case
        What was measured; `known` are all cases, from which a group's full size follows.
    measured : dict
        What `measure` returned, with one round or more.
    threads : int
        Threads of every library.
    """
    rounds = measured["rounds"]
    names = rounds[0]["ceilings"]
    limits = {name: statistics.median(one["ceilings"][name] for one in rounds) for name in names}
    rows = [
        _row(case, [one["turns"][case.name] for one in rounds], limits[f"tile_{threads}"])
        | {"absent": measured["absent"][case.name]}
        for case in cases
    ]
    groups = [_group(name, rows, known) for name in GROUPS if name]
    return {"ceilings": limits, "cases": rows, "groups": [one for one in groups if one["measured"]]}


def _row(case: Case, turns: list[dict[str, Any]], ceiling: float) -> Row:
    """Milliseconds and peak memory of every library, ratio to the best peer by round, share of the ceiling."""
    medians = [{name: statistics.median(one["seconds"]) for name, one in turn.items()} for turn in turns]
    libraries = sorted(medians[0], key=("npr", *case.peers).index)
    ms = {name: 1e3 * statistics.median(one[name] for one in medians) for name in libraries}
    megabytes = {name: max(turn[name]["peak"] for turn in turns) / 1e6 for name in libraries}
    rate = case.flops / ms["npr"] / 1e6
    ratios = [min(s for name, s in one.items() if name != "npr") / one["npr"] for one in medians if len(one) > 1]
    ratio = statistics.median(ratios) if ratios else None
    share = rate / ceiling
    held = {
        "ratio": None if ratio is None or not case.goal_ratio else ratio >= case.goal_ratio,
        "share": share >= case.goal_share if case.goal_share else None,
    }
    return {
        "name": case.name,
        "group": case.group,
        "ms": ms,
        "peak_mb": megabytes,
        "ratio": ratio,
        "ratio_range": [min(ratios), max(ratios)] if ratios else None,
        "flops": case.flops,
        "gflops": rate,
        "share": share,
        "goals": {"ratio": case.goal_ratio, "share": case.goal_share},
        "held": held,
    }


def _group(name: str, rows: list[Row], known: dict[str, Case]) -> Row:
    """Geometric mean of the ratios of a group's cases; how many of them it rests on."""
    ratios = [row["ratio"] for row in rows if row["group"] == name and row["ratio"] is not None]
    size = sum(case.group == name for case in known.values())
    mean = statistics.geometric_mean(ratios) if ratios else None
    whole = len(ratios) == size
    held = mean >= MEAN_GOALS[name] if mean is not None and whole else None
    return {
        "group": name,
        "mean_ratio": mean,
        "measured": len(ratios),
        "cases": size,
        "goal": MEAN_GOALS[name],
        "held": held,
    }


def missed(summary: dict[str, Any]) -> list[str]:
    """Goals that were measured and are not reached, in words."""
    wanted = {"ratio": "{:.2f} times the best peer, goal {:g}", "share": "{:.0%} of the tile product, goal {:.0%}"}
    found = [
        f"{row['name']}: {text.format(row[key], row['goals'][key])}"
        for row in summary["cases"]
        for key, text in wanted.items()
        if row["held"][key] is False
    ]
    means = [one for one in summary["groups"] if one["held"] is False]
    return found + [f"mean of group {one['group']}: {one['mean_ratio']:.2f}, goal {one['goal']:g}" for one in means]
