"""Learning curves of a run, from its rows of metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from npr.report.encoding import integers, levels
from npr.report.thinning import thin
from npr.training.metrics import Row
from npr.training.window import FIGURES

MEASURES = (*FIGURES, "grad_norm")


class Curves(NamedTuple):
    """The curves of one run.

    Attributes
    ----------
    found : dict
        Per measure ("loss", "accuracy", ...) and split ("train", "validation"): "steps" and "values", encoded.
    gaps : int
        Values that are NaN, infinite or no numbers.
    thinned : bool
        Whether points were left out.
    """

    found: dict[str, dict[str, Any]]
    gaps: int
    thinned: bool


def curves(rows: Sequence[Row], points: int) -> Curves:
    """Training and validation curves of every measure that the rows have, each of at most `points` points."""
    found: dict[str, dict[str, Any]] = {}
    gaps, thinned = 0, False
    for measure in MEASURES:
        for split, name in (("train", measure), ("validation", f"validation_{measure}")):
            held = [row for row in rows if name in row]
            values = np.array([_number(row[name]) for row in held])
            if not held:
                continue
            kept = thin(values, points)
            gaps += int(np.isnan(values).sum())
            thinned |= len(kept) < len(values)
            steps = np.array([row["step"] for row in held])[kept]
            found.setdefault(measure, {})[split] = {"steps": integers(steps), "values": levels(values[kept])}
    return Curves(found, gaps, thinned)


def _number(value: object) -> float:
    """A finite number, or NaN for anything else that a file may hold."""
    known = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if known and isinstance(value, int | float) else math.nan
