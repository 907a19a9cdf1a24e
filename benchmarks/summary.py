"""From the seconds of all rounds to one row per case, and the rows as a table."""

from __future__ import annotations

import statistics
from typing import Any

from problem import Case

Peers = tuple[str, ...]


def summarise(cases: list[Case], measured: dict[str, Any], peers: Peers, threads: int) -> dict[str, Any]:
    """Median ceilings, one row per case, and the geometric mean of the ratios to `peers` of the cases that count."""
    rounds = measured["rounds"]
    names = rounds[0]["ceilings"]
    limits = {name: statistics.median(one["ceilings"][name] for one in rounds) for name in names}
    seconds = {case.name: [one["seconds"][case.name] for one in rounds] for case in cases}
    rows = [_row(case, seconds[case.name], peers, limits[f"tile_{threads}"]) for case in cases]
    counted = [row["ratio"] for row in rows if row["counts"]]
    mean = statistics.geometric_mean(counted) if counted else None
    rival = peers[0] if len(peers) == 1 else "the better peer"
    return {"ceilings": limits, "cases": rows, "mean_ratio": mean, "ratio_to": rival}


def _row(case: Case, rounds: list[dict[str, list[float]]], peers: Peers, ceiling: float) -> dict[str, Any]:
    """Milliseconds of every library, ratio to the better of `peers` by round, GFLOP/s and share of the ceiling."""
    medians = [{name: statistics.median(seconds) for name, seconds in one.items()} for one in rounds]
    ratios = [min(one[peer] for peer in peers) / one["npr"] for one in medians]
    ms = {name: 1e3 * statistics.median(one[name] for one in medians) for name in medians[0]}
    rate = case.flops / ms["npr"] / 1e6
    ratio, share = statistics.median(ratios), rate / ceiling
    ratio_held, share_held = ratio >= case.goal_ratio, share >= case.goal_share
    return {
        "name": case.name,
        "ms": ms,
        "ratio": ratio,
        "ratio_range": [min(ratios), max(ratios)],
        "flops": case.flops,
        "gflops": rate,
        "share": share,
        "goal_ratio": case.goal_ratio,
        "goal_share": case.goal_share,
        "ratio_held": ratio_held,
        "share_held": share_held,
        "held": ratio_held and (share_held or not case.share_binds),
        "counts": case.mean,
    }


def table(result: dict[str, Any]) -> str:
    """The rows in Markdown, the ceilings below them."""
    names = list(result["cases"][0]["ms"])
    head = [
        "case",
        *(f"{name} ms" for name in names),
        f"ratio to {result['ratio_to']}",
        "GFLOP/s",
        "of the ceiling",
        "goals",
    ]
    lines = [head, ["---"] * len(head)]
    for row in result["cases"]:
        low, high = row["ratio_range"]
        verdicts = [
            f"{wanted} {'held' if row[f'{key}_held'] else 'MISSED'}"
            for key, wanted in (
                ("ratio", f">= {row['goal_ratio']:g}x"),
                ("share", f">= {row['goal_share']:.0%}"),
            )
            if row[f"goal_{key}"]
        ]
        lines.append(
            [
                row["name"],
                *(f"{row['ms'][name]:.1f}" for name in names),
                f"{row['ratio']:.2f} ({low:.2f}-{high:.2f})",
                f"{row['gflops']:.0f}",
                f"{row['share']:.0%}",
                ", ".join(verdicts) or "-",
            ]
        )
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    limits = ", ".join(f"{name} {value:.0f}" for name, value in result["ceilings"].items())
    mean = f"\nGeometric mean of the ratios: {result['mean_ratio']:.2f}" if result["mean_ratio"] else ""
    return f"{text}\n{mean}\nCeilings (GFLOP/s, triad GB/s; the number is threads): {limits}"
