"""From the turns of all rounds to one row per case, and the geometric means of two groups."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from npr.bench.problem import TF32, Case

ORDER = ("npr", "torch", "torch.compile", "torch-graph", "torch-tf32", "jax")
MEAN_GOALS = {"throughput": 2.2, "small": 3.5}
Row = dict[str, Any]


class Limits(NamedTuple):
    """Ceilings of a row: of products in GFLOP/s, of memory in GB/s, and which share of a row the latter is."""

    product: float
    memory: float
    of_memory: str


# What a share is one of, in words.
SHARES = {"cpu": ("tile product", "of_triad", "triad"), "cuda": ("fp32 rate", "of_copy", "copy")}


def summarise(
    cases: list[Case], measured: dict[str, Any], threads: int, known: dict[str, Case], device: str = "cpu"
) -> dict[str, Any]:
    """Median ceilings, one row per case, and the mean ratio of every group that has one.

    Parameters
    ----------
    cases : list of Case
        What was measured; `known` are all cases, from which a group's full size follows.
    measured : dict
        What `measure` returned, with one round or more.
    threads : int
        Threads of every library.
    device : {"cpu", "cuda"}
        Where they computed.
    """
    rounds = measured["rounds"]
    names = rounds[0]["ceilings"]
    limits = {name: statistics.median(one["ceilings"][name] for one in rounds) for name in names}
    ends = (f"tile_{threads}", f"triad_{threads}") if device == "cpu" else ("fp32", "copy")
    own = Limits(limits[ends[0]], limits[ends[1]], SHARES[device][1])
    rows = [
        _row(case, [one["turns"][case.name] for one in rounds], own) | {"absent": measured["absent"][case.name]}
        for case in cases
    ]
    groups = [_group(name, rows, known) for name in MEAN_GOALS if device == "cpu"]
    return {"ceilings": limits, "cases": rows, "groups": [one for one in groups if one["measured"]]}


def _row(case: Case, turns: list[dict[str, Any]], limits: Limits) -> Row:
    """Milliseconds and peak memory of every library, ratio to the best peer by round, shares of the ceilings. A peer
    with TF32 computes less precisely than npr and is not among those of the ratio."""
    medians = [{name: statistics.median(one["seconds"]) for name, one in turn.items()} for turn in turns]
    libraries = sorted(medians[0], key=ORDER.index)
    ms = {name: 1e3 * statistics.median(one[name] for one in medians) for name in libraries}
    megabytes = {name: max(turn[name]["peak"] for turn in turns) / 1e6 for name in libraries}
    rate, bandwidth = (work / ms["npr"] / 1e6 if work else None for work in (case.flops, case.traffic))
    equals = [name for name in libraries if name not in ("npr", TF32)]
    ratios = [min(one[name] for name in equals) / one["npr"] for one in medians if equals]
    ratio = statistics.median(ratios) if ratios else None
    share, of_memory = rate and rate / limits.product, bandwidth and bandwidth / limits.memory
    reached = {"ratio": ratio, "share": of_memory if case.traffic else share}
    goals = {"ratio": case.goal_ratio, "share": case.goal_share}
    held = {key: None if value is None or not goals[key] else value >= goals[key] for key, value in reached.items()}
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
        "traffic": case.traffic,
        "gb_per_s": bandwidth,
        limits.of_memory: of_memory,
        "goals": goals,
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
    found = [
        f"{row['name']}: {text}"
        for row in summary["cases"]
        for key, text in _reached(row).items()
        if row["held"][key] is False
    ]
    means = [one for one in summary["groups"] if one["held"] is False]
    return found + [f"mean of group {one['group']}: {one['mean_ratio']:.2f}, goal {one['goal']:g}" for one in means]


def _reached(row: Row) -> dict[str, str]:
    """What a case reached and its goals, in words."""
    goals, found = row["goals"], {}
    if row["ratio"] is not None:
        found["ratio"] = f"{row['ratio']:.2f} times the best peer, goal {goals['ratio']:g}"
    product, key, memory = next(words for words in SHARES.values() if words[1] in row)
    limit, share = (memory, row[key]) if row["traffic"] else (product, row["share"])
    return found | {"share": f"{share:.0%} of the {limit}, goal {goals['share']:.0%}"}
