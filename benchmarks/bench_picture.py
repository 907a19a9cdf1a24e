"""The picture of `npr bench`: how many times as fast as the best peer npr is, case by case.

    npr bench -o bench.json
    python benchmarks/bench_picture.py bench.json [MORE.json ...] -o docs/bench.png

Bars are medians of the rounds' ratios, thin lines their range; a logarithmic axis, on which twice as fast and half as
fast are equally far from 1. The forward pass alone is the lighter bar below the whole step, and the number in
brackets. All files have to come from one machine, with the same threads and peers; of a case that stands in several,
the last counts. Cases without a peer are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]
# Okabe and Ito: told apart with any kind of colour vision, and by their lightness in print.
WHOLE, ALONE = "#0072B2", "#9AD0F5"
FORWARD = "-forward"


def collected(files: list[Path]) -> tuple[dict[str, Row], str]:
    """Rows with a ratio by name, and what the figure says about machine, threads and peers.

    Raises
    ------
    SystemExit
        If a file has no measured cases or those of --tiny, or the files are of different machines, threads or peers.
    """
    rows: dict[str, Row] = {}
    origins: dict[str, Path] = {}
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not document.get("cases"):
            raise SystemExit(f"error: {file} has no measured cases; write it with npr bench -o {file}")
        if "--tiny" in document["command"].split():
            raise SystemExit(f"error: {file} was written with --tiny; its figures mean nothing")
        origins.setdefault(_origin(document), file)
        rows |= {row["name"]: row for row in document["cases"] if row["ratio"] is not None}
    if len(origins) > 1:
        told = "; ".join(f"{file}: {origin}" for origin, file in origins.items())
        raise SystemExit(f"error: figures of different machines, threads or peers are no one picture: {told}")
    if not rows:
        raise SystemExit("error: no case was measured beside a peer")
    return rows, next(iter(origins))


def _origin(document: dict[str, Any]) -> str:
    cpu, versions = document["machine"]["cpu"].partition(" (")[0], document["versions"]
    peers = ", ".join(f"{name} {versions[name]}" for name in ("torch", "jax") if name in versions)
    threads = document["threads"]
    return f"{cpu}, {threads} {'thread' if threads == 1 else 'threads'}, {document['dtype']}; {peers}"


def families(rows: dict[str, Row]) -> dict[str, list[str]]:
    """Names of whole steps by family; a forward pass alone goes with its whole step, if that was measured."""
    found: dict[str, list[str]] = {}
    for name in rows:
        if name.removesuffix(FORWARD) == name or name.removesuffix(FORWARD) not in rows:
            found.setdefault(name.partition("-")[0], []).append(name)
    return found


def draw(rows: dict[str, Row], origin: str, output: Path) -> None:
    """The figure: a line for each case, a gap and a name for each family."""
    from matplotlib.figure import Figure

    groups = families(rows)
    lines = sum(map(len, groups.values())) + len(groups)
    figure = Figure(figsize=(8.5, 1.3 + 0.24 * lines), layout="constrained")
    axes = figure.add_subplot()
    labels: list[str] = []
    for family, names in groups.items():
        labels.append(family)
        for name in names:
            _bars(axes, rows, name, len(labels))
            labels.append(name.partition("-")[2])
    axes.axvline(1, color="black", linewidth=1.2)
    axes.set(xscale="log", ylim=(len(labels) - 0.3, -0.7), xlim=_limits(rows))
    shown = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if _limits(rows)[0] <= tick <= _limits(rows)[1]]
    axes.set_xticks(shown, [f"{tick:g}x" for tick in shown])
    axes.minorticks_off()
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        label.set_weight("bold" if label.get_text() in groups else "normal")
    axes.grid(axis="x", linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("time of the best peer / time of npr: right of 1 npr is faster, left of 1 the peer", fontsize=9)
    figure.suptitle(f"npr bench: one training step\n{origin}", fontsize=10)
    if any(name.endswith(FORWARD) for name in rows):
        from matplotlib.patches import Patch

        kinds = [
            Patch(color=WHOLE, label="whole step (number at the right)"),
            Patch(color=ALONE, label="forward pass alone (in brackets)"),
        ]
        figure.legend(handles=kinds, loc="outside lower center", ncols=2, fontsize=9)
    figure.savefig(output, dpi=110)


def _bars(axes: Any, rows: dict[str, Row], name: str, y: float) -> None:
    """The bar of a case, below it that of its forward pass alone; their numbers at the right end of the line."""
    alone = rows.get(f"{name}{FORWARD}")
    height = 0.44 if alone else 0.6
    _bar(axes, rows[name], y - (0.19 if alone else 0), height, ALONE if name.endswith(FORWARD) else WHOLE)
    if alone:
        _bar(axes, alone, y + 0.22, 0.28, ALONE)
    ratios = f"{rows[name]['ratio']:.2f}" + (f" ({alone['ratio']:.2f})" if alone else "")
    axes.text(1.01, y, ratios, transform=axes.get_yaxis_transform(), fontsize=8, va="center")


def _bar(axes: Any, row: Row, y: float, height: float, colour: str) -> None:
    low, high = row["ratio_range"]
    axes.barh(y, row["ratio"] - 1, height, left=1, color=colour)
    axes.plot([low, high], [y, y], color="black", linewidth=0.8)


def _limits(rows: dict[str, Row]) -> tuple[float, float]:
    """Of the axis: all ranges, and what is next to 1."""
    low, high = (pick(row["ratio_range"][side] for row in rows.values()) for pick, side in ((min, 0), (max, 1)))
    return min(0.8, 0.9 * low), 1.1 * max(high, 2.0)


def main(arguments: list[str] | None = None) -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE.png")
    asked = parser.parse_args(arguments)
    draw(*collected(asked.files), asked.output)


if __name__ == "__main__":
    main()
