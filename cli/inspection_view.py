"""An inspection as text: where the gradient lives, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from npr.inspect.series import Found
from npr.inspect.summary import gradient_table, summary
from npr_cli.sparkline import sparkline

_ROWS = 12
_CHANNELS = "||dL/dh_t||, as it reads"


def lines(found: Found) -> list[str]:
    """What `npr inspect` prints below its first line."""
    told = summary(found)
    width = max((len(place) for place in told), default=0)
    out = ["", f"{'':{width}}  {_CHANNELS:40}  {'':9}  {'first':>8}  {'last':>8}  nats/step"]
    for place, row in told.items():
        out.append(f"{place[:-1]:{width}}  {_gradient(found[place + 'dh_norm'].values, row['gradient'])}")
    out += ["", *_words(told), ""]
    for place, row in told.items():
        out.append(f"{place[:-1]:{width}}  {'; '.join(_facts(row))}")
    return out + _parameters(found)


def _gradient(norms: Any, g: Mapping[str, Any]) -> str:
    return f"{sparkline(norms):40}  {g['word']:9}  {g['first']:8.1e}  {g['last']:8.1e}  {g['rate']:+.4f}"


def _words(told: Mapping[str, Mapping[str, Any]]) -> list[str]:
    out = []
    for place, row in told.items():
        g = row["gradient"]
        layer = f"In {place[:-1]} the gradient"
        if g["word"] == "vanishing" and math.isfinite(g["rate"]):
            out.append(f"{layer} vanishes: going back it halves every {_number(g['half_life'])} steps.")
        elif g["word"] == "vanishing":
            out.append(f"{layer} vanishes: nothing of it reaches the first steps.")
        elif g["word"] == "exploding":
            out.append(f"{layer} explodes going back in time.")
        elif g["word"] == "stable":
            out.append(f"{layer} is stable: at the first steps within a factor of 100 of its last value.")
        else:
            out.append(f"No gradient arrives in {place[:-1]}.")
    return out


def _facts(row: Mapping[str, Any]) -> list[str]:
    out = []
    if "spectral_radius" in row:
        tail = f", departure from normality {row['departure']:.2g}" if "departure" in row else ""
        out.append(f"spectral radius {row['spectral_radius']:.4g}{tail}")
    if "u" in row:
        u = row["u"]
        out.append(f"|u| {u['least']:.3g} to {u['largest']:.4g}, median {u['median']:.3g}, {u['above_1']} above 1")
    if "time_constant" in row:
        tau = row["time_constant"]
        out.append(f"median time constant {_number(tau)} steps" if math.isfinite(tau) else "time constants infinite")
    if "gate_radius" in row:
        radii = ", ".join(f"{gate} {radius:.3g}" for gate, radius in row["gate_radius"].items())
        out.append(f"spectral radius of {radii}")
    if "gamma" in row:
        out.append(f"gamma {row['gamma']['least']:.4g} to {row['gamma']['largest']:.4g}")
    if "singular_values" in row:
        s = row["singular_values"]
        out.append(f"singular values of dh_t/dh_(t-1) {s['least']:.2g} to {s['largest']:.3g}")
    if "growth" in row:
        rate = row["growth"]["largest"]
        text = f"fastest growth {rate:+.3g} nats per step"
        out.append(text if math.isfinite(rate) else "the product of the step Jacobians is 0")
    for name, words in (("saturated", "saturated"), ("silent", "of the states 0")):
        if row.get(name):
            out.append(f"{100 * row[name]:.1f} % {words}")
    gates = row.get("gates_saturated")
    if gates:
        out.append("gates saturated " + ", ".join(f"{gate} {100 * share:.0f} %" for gate, share in gates.items()))
    if row["dead"]:
        out.append(f"{row['dead']} of {row['units']} units dead")
    return out or ["nothing to tell"]


def _parameters(found: Found) -> list[str]:
    rows = gradient_table(found)
    if not rows:
        return []
    width = max(len(name) for name, *_ in rows[:_ROWS])
    out = ["", f"{'largest gradients':{width}}  {'norm':>8}  from the last tenth of the steps"]
    out += [f"{name:{width}}  {norm:8.1e}  {100 * share:.0f} %" for name, norm, share in rows[:_ROWS]]
    return out


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
