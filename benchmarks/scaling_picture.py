"""The pictures of `scaling.py`: the efficiency of threads, and growth with steps, batch and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# Okabe and Ito: told apart with any kind of colour vision. Markers say the same again.
STYLES = {
    "dense": ("#0072B2", "o"),
    "IndRNN, 2 layers": ("#D55E00", "s"),
    "IndRNN, 2 layers, batch norm": ("#E69F00", "D"),
    "LSTM": ("#009E73", "^"),
}
LABELS = {"seq_len": "steps T", "batch_size": "sequences B", "hidden_size": "units H"}


def draw(result: dict[str, Any], file: Path) -> list[Path]:
    """Both pictures of a document, beside `file`."""
    return [
        _save(_efficiency(result), file.with_stem(f"{file.stem}-threads")),
        _save(_growth(result), file.with_stem(f"{file.stem}-growth")),
    ]


def _save(figure: Any, file: Path) -> Path:
    figure.savefig(file, dpi=110)
    return file


def _title(result: dict[str, Any], what: str) -> str:
    cpu = result["machine"]["cpu"].partition(" (")[0]
    warning = " - tiny sizes, the figures mean nothing" if result["tiny"] else ""
    return f"{what}{warning}\nnpr, forward and backward; {cpu}, {result['machine']['cores']} cores"


def _efficiency(result: dict[str, Any]) -> Any:
    """Bars of every model side by side, for each pair of batch and units."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes, rows = figure.add_subplot(), result["efficiency"]
    places = list(dict.fromkeys((row["batch_size"], row["hidden_size"]) for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    width = 0.8 / len(models)
    for number, model in enumerate(models):
        own = [row for row in rows if row["model"] == model]
        at = [places.index((row["batch_size"], row["hidden_size"])) + width * number - 0.4 for row in own]
        bars = axes.bar(
            at, [100 * row["efficiency"] for row in own], width, align="edge",
            label=model, color=STYLES[model][0], edgecolor="white",
        )  # fmt: skip
        axes.bar_label(bars, fmt="%.0f", fontsize=7)
    axes.axhline(100, color="black", linewidth=1)
    axes.set_xticks(range(len(places)), [f"B={b}, H={h}" for b, h in places])
    axes.set_ylabel("t1 / (n tn), %")
    axes.set_title(_title(result, f"Efficiency of {result['threads']} threads, T={rows[0]['seq_len']}"), fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(models), fontsize=8)
    return figure


def _growth(result: dict[str, Any]) -> Any:
    """Milliseconds along every axis, both axes logarithmic, beside the slopes of proportional and square."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axis_names = list(dict.fromkeys(row["axis"] for row in result["growth"]))
    for axes, axis in zip(figure.subplots(1, len(axis_names), sharey=True, squeeze=False)[0], axis_names, strict=True):
        rows = [row for row in result["growth"] if row["axis"] == axis]
        for model in dict.fromkeys(row["model"] for row in rows):
            own = [(row[axis], row["ms"]) for row in rows if row["model"] == model]
            colour, marker = STYLES[model]
            axes.plot(*zip(*own, strict=True), color=colour, marker=marker, label=model, linewidth=1.4, markersize=5)
            x, y = own[0]
            power = 2 if axis == "hidden_size" else 1
            axes.plot([x, own[-1][0]], [y, y * (own[-1][0] / x) ** power], color=colour, linestyle=":", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel=LABELS[axis])
        axes.set_xticks(sorted({row[axis] for row in rows}), [str(value) for value in sorted({r[axis] for r in rows})])
        axes.minorticks_off()
        axes.set_title("dotted: square" if axis == "hidden_size" else "dotted: proportional", fontsize=9)
        axes.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("ms")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    figure.suptitle(_title(result, f"Growth, {result['threads']} threads; else T=196, B=32, H=128"), fontsize=10)
    return figure
