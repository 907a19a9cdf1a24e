"""The rows of a result in Markdown, the means, absent peers and ceilings below them."""

from __future__ import annotations

from typing import Any

from npr.bench.problem import TF32
from npr.bench.summary import ORDER

Row = dict[str, Any]
TOLD = ("capability", "target", "driver", "runtime")  # of a device, beside its name
# Key of a row, head of its column, how it is written; a column without a figure is left out. "of FMA" is "of fp32" on
# a device.
RATES = {
    "gflops": ("GFLOP/s", ".0f"),
    "share": ("of FMA", ".0%"),
    "gb_per_s": ("GB/s", ".1f"),
    "of_triad": ("of triad", ".0%"),
    "of_copy": ("of copy", ".0%"),
}


def table(result: dict[str, Any]) -> str:
    """A document of `document.py` as text."""
    names = [name for name in ORDER if any(name in row["ms"] for row in result["cases"])]
    device, digits = result.get("device"), 3 if "device" in result else 1
    rates = [key for key in RATES if any(row.get(key) is not None for row in result["cases"])]
    head = [
        "case",
        *(f"{name} ms" for name in names),
        *("of fp32" if device and key == "share" else RATES[key][0] for key in rates),
        "to best peer",
        "peak MB",
        "least peer MB",
        "goals",
    ]
    lines = [head, ["---"] * len(head), *(_cells(row, names, rates, digits) for row in result["cases"])]
    parts = ["\n".join("| " + " | ".join(cells) + " |" for cells in lines), *_means(result), *_absent(result)]
    limits = ", ".join(f"{name} {value:.0f}" for name, value in result["ceilings"].items())
    if device:
        told = [device.get("name", "none"), *(f"{key} {device[key]}" for key in TOLD if key in device)]
        parts.append(f"Device: {', '.join(told)}{_torch(device['torch'])}.")
        parts.append(f"Ceilings (GFLOP/s of a float32 product, GB/s of a copy): {limits}. {TF32} enters no ratio.")
    else:
        parts.append(f"Ceilings (GFLOP/s, triad GB/s; the number is threads): {limits}. FMA is the tile product.")
    parts.append(f"Threads: {result['threads']}; {result['dtype']}; medians of rounds: {len(result['rounds'])}.")
    return "\n\n".join(parts)


def _torch(found: Row) -> str:
    return "" if "absent" in found else f"; PyTorch with CUDA {found['cuda']}, cuDNN {found['cudnn']}"


def _cells(row: Row, names: list[str], rates: list[str], digits: int) -> list[str]:
    peers = [value for name, value in row["peak_mb"].items() if name != "npr"]
    ratio = "-" if row["ratio"] is None else "{:.2f} ({:.2f}-{:.2f})".format(row["ratio"], *row["ratio_range"])
    return [
        row["name"],
        *(f"{row['ms'][name]:.{digits}f}" if name in row["ms"] else "-" for name in names),
        *("-" if row.get(key) is None else format(row[key], RATES[key][1]) for key in rates),
        ratio,
        f"{row['peak_mb']['npr']:.0f}",
        f"{min(peers):.0f}" if peers else "-",
        _verdicts(row),
    ]


def _verdicts(row: Row) -> str:
    wanted = {"ratio": f">= {row['goals']['ratio']:g}x", "share": f">= {row['goals']['share']:.0%}"}
    said = [
        f"{text} {'held' if row['held'][key] else 'MISSED'}"
        for key, text in wanted.items()
        if row["held"][key] is not None
    ]
    return ", ".join(said) or "-"


def _means(result: dict[str, Any]) -> list[str]:
    verdicts = {True: "held", False: "MISSED", None: "no verdict, cases are left out"}
    return [
        f"Group {one['group']}: geometric mean of the ratios {one['mean_ratio']:.2f} over {one['measured']} of "
        f"{one['cases']} cases, goal >= {one['goal']:g}: {verdicts[one['held']]}"
        for one in result["groups"]
    ]


def _absent(result: dict[str, Any]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for row in result["cases"]:
        for peer, why in row["absent"].items():
            reasons.setdefault(f"No {peer}: {why}", []).append(row["name"])
    return [
        f"{reason} ({', '.join(names) if len(names) <= 3 else f'{len(names)} cases'})"
        for reason, names in reasons.items()
    ]
