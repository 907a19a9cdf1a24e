"""The few numbers per layer that a person wants first."""

from __future__ import annotations

from typing import Any

import numpy as np

from npr.inspect.inspection import verdicts
from npr.inspect.series import Found
from npr.params import Array


def summary(found: Found) -> dict[str, dict[str, Any]]:
    """Findings by place, the layers in their order.

    Parameters
    ----------
    found : dict of Series
        From `thorough` or `brief`.

    Returns
    -------
    dict
        By place, as far as they are there: "gradient" (word, first, last, rate in nats per step going back,
        half_life in steps), "spectral_radius", "departure", "u" (least, median and largest |u|, how many above 1),
        "time_constant" (median, steps), "gamma" (least and largest), "singular_values" (least and largest of the step
        Jacobians), "growth" (largest and least rate, nats per step), "saturated" and "silent" (shares over units and
        steps), "gates_saturated" and "gate_radius" by gate, "dead" (number of units), "units".
    """
    told = {place: {"gradient": judged._asdict()} for place, judged in verdicts(found).items()}
    for place, row in told.items():
        own = {name.removeprefix(place): s.values for name, s in found.items() if name.startswith(place)}
        row |= {key: fact for key, fact in _facts(own, found["live"].values).items() if fact is not None}
    return dict(sorted(told.items(), key=lambda item: _order(item[0])))


def gradient_table(found: Found) -> list[tuple[str, float, float]]:
    """(parameter, norm of its gradient, share of it from the last tenth of the steps), largest norm first."""
    rows = []
    for name, series in found.items():
        if name.endswith(".share"):
            part = max(1, round(len(series.values) / 10))
            parameter = name.removesuffix(".share")
            rows.append((parameter, float(found[parameter + ".norm"].values), float(series.values[-part:].sum())))
    return sorted(rows, key=lambda row: -row[1])


def _facts(own: dict[str, Array], live: Array) -> dict[str, Any]:
    facts: dict[str, Any] = {"units": len(own["dead"])}
    if "eigenvalues" in own:
        facts["spectral_radius"] = float(np.hypot(*own["eigenvalues"].T).max())
        facts["departure"] = float(own["departure"]) if "departure" in own else None
    if "u" in own:
        u = np.abs(own["u"])
        facts["u"] = {**_range(u), "median": float(np.median(u)), "above_1": int((u > 1).sum())}
        taus = own.get("time_constants")
        facts["time_constant"] = None if taus is None else float(np.median(taus))
    for name in ("gamma", "singular_values", "growth"):
        if name in own:
            facts[name] = _range(own[name])
    for name in ("saturated", "silent"):
        if name in own:
            facts[name] = float(np.average(own[name], weights=live))
    for name in sorted(own):
        gate, _, last = name.partition(".")
        if last == "saturated":
            facts.setdefault("gates_saturated", {})[gate] = float(np.average(own[name], weights=live))
        if last == "eigenvalues":
            facts.setdefault("gate_radius", {})[gate] = float(np.hypot(*own[name].T).max())
    facts["dead"] = int(own["dead"].sum())
    return facts


def _range(values: Array) -> dict[str, float]:
    return {"least": float(values.min()), "largest": float(values.max())}


def _order(place: str) -> tuple[int, bool]:
    """By layer, and the direction that reads ahead first."""
    _, number, rest = place.split(".", 2)
    return int(number), rest.startswith("backward")
