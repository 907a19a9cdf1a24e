"""Directional derivatives from central differences, with an estimate of their own error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npr.params import Array

STEPS = (1e-4, 1e-5, 1e-6, 1e-3)


class Slope(NamedTuple):
    """A derivative, the disagreement of the two differences it came from, and the step it was taken with."""

    value: float
    error: float
    step: float


def slope(loss: Callable[[float], float], step: float) -> Slope:
    """Derivative of `loss` at 0 from differences over +-step and +-step/2, extrapolated to step 0.

    D(h) = (loss(h) - loss(-h)) / 2h;  value = (4 D(h/2) - D(h)) / 3, whose error falls with h^4.

    Parameters
    ----------
    loss : callable
        Function of one float.
    step : float
        The larger of the two steps.

    Returns
    -------
    Slope
        `error` is the error of D(h/2) alone, thus a cautious bound where `loss` is smooth and a large number
        where a kink lies within the step.

    Source: Richardson, Phil. Trans. R. Soc. A 210 (1911).
    """
    coarse = (loss(step) - loss(-step)) / (2 * step)
    fine = (loss(step / 2) - loss(-step / 2)) / step
    return Slope((4 * fine - coarse) / 3, abs(fine - coarse) / 3, step)


def best_slope(loss: Callable[[float], float], enough: float = 1e-7, floor: float = 0.0) -> Slope:
    """The slope over `STEPS` that agrees best with itself; the gradient under test has no say in the choice.

    Parameters
    ----------
    loss : callable
        Function of one float.
    enough : float
        Relative error estimate at which no further step is tried.
    floor : float
        Smallest magnitude the relative estimate is taken against, in units of the derivative.

    Returns
    -------
    Slope
        The estimate of smallest `error`.
    """
    best = Slope(math.nan, math.inf, STEPS[0])
    for step in STEPS:
        found = slope(loss, step)
        if found.error < best.error:
            best = found
        if best.error <= enough * max(abs(best.value), floor):
            break
    return best


def along(loss: Callable[[], float], array: Array, direction: Array) -> Callable[[float], float]:
    """`loss` as a function of the distance walked from `array` along `direction`; `array` is restored each time."""
    start = array.copy()

    def walked(distance: float) -> float:
        array[...] = start + distance * direction
        try:
            return loss()
        finally:
            array[...] = start

    return walked


def relative_error(analytic: Array, numeric: Array, floor: float) -> float:
    """max |a - n| / max(max |a|, max |n|, floor); infinite where either side is not finite.

    Parameters
    ----------
    analytic, numeric : Array
        Gradients of one shape.
    floor : float
        Magnitude below which a difference quotient is rounding noise.

    Returns
    -------
    float
        Between 0 and 2, or infinity.
    """
    if not (np.isfinite(analytic).all() and np.isfinite(numeric).all()):
        return math.inf
    scale = max(float(np.abs(analytic).max()), float(np.abs(numeric).max()), floor)
    return float(np.abs(analytic - numeric).max()) / scale if scale else 0.0
