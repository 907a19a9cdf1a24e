"""Mean and confidence interval of a few repetitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean over repetitions.

    Attributes
    ----------
    mean : float
        NaN if one of the values is.
    interval : float or None
        Half the width of the 95 % confidence interval of the mean; None for a single value.
    n : int
        Repetitions.
    """

    mean: float
    interval: float | None
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean of `values` with its 95 % interval from Student's t.

    interval = t(0.975; n - 1) * s / sqrt(n), s with n - 1 in its denominator.

    Raises
    ------
    ValueError
        If there are no values.
    """
    count = len(values)
    if not count:
        raise ValueError("A mean needs at least one value.")
    if not all(map(math.isfinite, values)):
        return Estimate(math.nan, math.nan if count > 1 else None, count)
    mean = float(np.mean(values))
    if count == 1:
        return Estimate(mean, None, count)
    # scipy.stats would take most of a second to import.
    from scipy.special import stdtrit

    spread = float(np.std(values, ddof=1))
    return Estimate(mean, float(stdtrit(count - 1, 0.975)) * spread / math.sqrt(count), count)
