"""One word on the gradient's way back through time, and the numbers it rests on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.params import Array

STABLE = 100.0
_ENDS = 0.1


class Verdict(NamedTuple):
    """How ||dL/dh_t|| of a layer changes from the end of the sequence to its beginning.

    word : "vanishing", "exploding", "stable", or "nothing" where no gradient arrives
    first, last : median of the norm over the first and the last tenth of the steps
    rate : nats per step, going back: ln(first / last) over the steps between
    half_life : steps back after which the norm has halved; infinite if it does not fall
    """

    word: str
    first: float
    last: float
    rate: float
    half_life: float


def verdict(norms: Array) -> Verdict:
    """Judge the norms of dL/dh_t.

    Vanishing: the first tenth of the sequence has less than a hundredth of the gradient of the last tenth;
    exploding: more than a hundred times as much; stable: anything between.

    Parameters
    ----------
    norms : Array (T,)
        ||dL/dh_t||. Zeros at the end are left out: there the loss does not look at the state.

    Returns
    -------
    Verdict
    """
    if not np.isfinite(norms).all():
        return Verdict("exploding", np.inf, np.inf, np.inf, np.inf)
    norms = np.trim_zeros(norms, "b")
    if not len(norms):
        return Verdict("nothing", 0.0, 0.0, 0.0, np.inf)
    part = max(1, round(_ENDS * len(norms)))
    first, last = float(np.median(norms[:part])), float(np.median(norms[-part:]))
    if not first or not last:
        return Verdict("exploding" if first else "vanishing", first, last, np.inf if first else -np.inf, 0.0)
    between = max(1, len(norms) - part)
    rate = float(np.log(first / last) / between)
    word = "vanishing" if first * STABLE < last else "exploding" if first > last * STABLE else "stable"
    return Verdict(word, first, last, rate, float(np.log(2) / -rate) if rate < 0 else np.inf)
