"""Directional derivatives from central differences, with an estimate of their own error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from npr.params import Array

STEPS = (1e-4, 1e-5, 1e-6, 1e-3)


class Slope(NamedTuple):
    """A derivative, an estimate of its error, and the step it was taken with."""

    value: float
    error: float
    step: float


def slope(loss: Callable[[float], float], start: float, step: float) -> Slope:
    """Derivative of `loss` at 0 from differences over +-step and +-step/2, extrapolated to step 0.

    D(h) = (loss(h) - loss(-h)) / 2h;        value = (4 D(h/2) - D(h)) / 3, whose error falls with h^4
    S(h) = (loss(h) + loss(-h) - 2 loss(0)) / h;  error = max(|D(h/2) - D(h)| / 3, |S(h) - 2 S(h/2)|)

    Where `loss` is smooth S falls with h, so that the second term of the error vanishes; a kink at 0, which D
    does not see, leaves there the jump of the derivative.

    Parameters
    ----------
    loss : callable
        Function of one float.
    start : float
        loss(0).
    step : float
        The larger of the two steps.

    Returns
    -------
    Slope

    Source: Richardson and Gaunt, Phil. Trans. R. Soc. A 226 (1927).
    """
    half = step / 2
    far, near = (loss(step), loss(-step)), (loss(half), loss(-half))
    coarse, fine = (far[0] - far[1]) / (2 * step), (near[0] - near[1]) / step
    bend = (far[0] + far[1] - 2 * start) / step - 2 * (near[0] + near[1] - 2 * start) / half
    return Slope((4 * fine - coarse) / 3, max(abs(fine - coarse) / 3, abs(bend)), step)


def best_slope(loss: Callable[[float], float], start: float, enough: float = 1e-7, floor: float = 0.0) -> Slope:
    """The slope over `STEPS` that agrees best with itself; the gradient under test has no say in the choice.

    Parameters
    ----------
    loss : callable
        Function of one float.
    start : float
        loss(0).
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
        found = slope(loss, start, step)
        if found.error < best.error:
            best = found
        if best.error <= enough * max(abs(best.value), floor):
            break
    return best


def along(loss: Callable[[], float], array: Array, direction: Array) -> Callable[[float], float]:
    """`loss` as a function of the distance from `array` along `direction`; `array` comes back unchanged."""
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
