"""The hand-written backward pass of a model against finite differences of its forward pass, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import host
from npr.backends import get_backend
from npr.context import Model
from npr.errors import CheckFailed, ConfigError
from npr.finite_difference import STEPS, Slope, along, best_slope, relative_error
from npr.gradcheck_cases import CASES, Case, Point, applies, draw_point, options_for, shortened
from npr.gradcheck_report import TOLERANCE, CaseResult, Checked, Report
from npr.params import Array

KINK = 1e-4
REDRAWS = 5
UNSTEADY = 1e-4
MAX_ENTRIES = 100


def check(
    name: str,
    options: Mapping[str, Any] | None = None,
    cases: Sequence[Case] = CASES,
    seed: int = 0,
    entries: bool = True,
    device: str = "cpu",
) -> Report:
    """Check the registered model `name` in every case of a fixed list.

    Each tensor is compared along one random direction v (<g, v> against the derivative of the loss along v)
    and, in the cases meant for it, entry by entry (a hundred entries, if it has more). A point with a
    pre-activation nearer than 1e-4 to the kink of ReLU is drawn again, at most five times; the sixth is used
    as it is.

    Parameters
    ----------
    name : str
        Registry name of the model.
    options : mapping, optional
        Fields of the model that hold in every case, whatever the case says.
    cases : sequence of Case
        Where to compare.
    seed : int
        Seed of all draws.
    entries : bool
        Whether to compare entry by entry at all.
    device : str
        Where both passes run; the differences are of losses computed there, summed on the host.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        If a name or an option is unknown, or an option makes the backward pass differ from the derivative.
    BackendError
        If the device cannot be used here.
    CheckFailed
        If a gradient is missing or has another shape than its parameter.

    Source: directional checks as in HIPS/autograd; redraws near a kink as in Chainer's gradient_check.
    """
    from npr import build

    get_backend(device)  # what is missing is said before the CPU's kernels are compiled
    results = []
    for case in (case for case in cases if applies(name, case)):
        model = build(name, **options_for(name, case, options or {}))
        if getattr(model, "step_clip", 0.0):
            raise ConfigError("step_clip alters the gradient on purpose: check the gradients with step_clip=0.")
        results.append(check_case(model, case, seed, entries, device))
    return Report(name, tuple(results), device)


def check_case(model: Model, case: Case, seed: int = 0, entries: bool = True, device: str = "cpu") -> CaseResult:
    """Check one model object in one case.

    Parameters
    ----------
    model : Model
        Any object of the model protocol, registered or not.
    case : Case
        Sizes of the batch and what it carries.
    seed, entries, device
        As in `check`.

    Returns
    -------
    CaseResult

    Raises
    ------
    CheckFailed
        If a gradient is missing or has another shape than its parameter.
    """
    case, backend = shortened(model, case), get_backend(device)
    for redraw in range(REDRAWS + 1):
        point = draw_point(model, case, (seed, redraw, *case.name.encode()))._replace(backend=backend)
        margin, last = point.margin(), redraw == REDRAWS
        if margin is not None and margin < KINK and not last:
            continue
        checked, steady = _compare(point, entries and case.entries, seed)
        if margin is not None or steady or last:
            break
    return CaseResult(case.name, redraw, tuple(replace(entry, case=case.name) for entry in checked))


class _Compared(NamedTuple):
    """Both gradients along directions (K, *shape), and the error of one relative to the other."""

    directions: Array
    analytic: Array
    numeric: Array
    error: float


def _compare(point: Point, entries: bool, seed: int) -> tuple[tuple[Checked, ...], bool]:
    """Errors of all variables, and whether no difference quotient showed a kink inside its step."""
    gradients = _gradients(point)
    start, noise = float(point.terms().sum()), point.noise()
    rng = np.random.default_rng(seed)
    checked, steady = [], True
    for name, array in point.variables().items():
        compared = []
        for directions in _modes(array, rng, entries):
            slopes = [_slope(point, start, array, direction, noise) for direction in directions]
            floor = _floor(noise, min(found.step for found in slopes))
            numeric = np.array([found.value for found in slopes])
            analytic = np.array([_along(gradients[name], direction) for direction in directions])
            compared.append(_Compared(directions, analytic, numeric, relative_error(analytic, numeric, floor)))
            unsteady = max(found.error for found in slopes)
            steady &= unsteady <= UNSTEADY * max(float(np.abs(numeric).max()), floor)
        checked.append(_checked(name, compared))
    return tuple(checked), steady


def _modes(array: Array, rng: np.random.Generator, entries: bool) -> list[Array]:
    """Sets of directions (K, *shape): one random unit vector; where asked for, single entries, all if few."""
    direction = rng.normal(size=(1, *array.shape))
    chosen = rng.permutation(array.size)[:MAX_ENTRIES]
    single = np.zeros((len(chosen), array.size))
    single[np.arange(len(chosen)), chosen] = 1.0
    along_one = direction / np.linalg.norm(direction)
    return [along_one, single.reshape(-1, *array.shape)] if entries else [along_one]


def _along(gradient: Array, direction: Array) -> float:
    """Their product over what the direction moves: a NaN of one entry must not spread to the others."""
    moved = direction != 0
    return float(np.vdot(gradient[moved], direction[moved]))


def _checked(name: str, compared: list[_Compared]) -> Checked:
    """The larger error; the worst entry, or the direction where all entries that were compared pass and it does not."""
    worst, shown = max(compared, key=lambda found: found.error), compared[-1]
    if shown.error <= TOLERANCE < worst.error:
        shown = worst
    deviation = np.abs(shown.analytic - shown.numeric)
    at = int(np.where(np.isfinite(deviation), deviation, np.inf).argmax())
    shape = shown.directions.shape[1:]
    place = np.unravel_index(shown.directions[at].argmax(), shape)
    index = None if shown is compared[0] else tuple(int(number) for number in place)
    return Checked(name, shape, worst.error, index, float(shown.analytic[at]), float(shown.numeric[at]))


def _slope(point: Point, start: float, array: Array, direction: Array, noise: float) -> Slope:
    """Derivative of the loss along `direction`; steps grow with the largest value they move, if above 1."""
    reach = max(1.0, float(np.abs(array[direction != 0]).max()))
    loss = along(lambda: float(point.terms().sum()), array, reach * direction)
    found = best_slope(loss, start, floor=_floor(noise, STEPS[0]))
    return Slope(found.value / reach, found.error / reach, found.step * reach)


def _floor(noise: float, step: float) -> float:
    """Size of a gradient whose difference quotient rounding moves by a thirtieth of the tolerance."""
    return 30 * noise / (step * TOLERANCE)


def _gradients(point: Point) -> dict[str, Array]:
    back = point.backward()
    returned = {**back.params, "x": back.x, **{f"state.{i}": h for i, h in enumerate(back.state or ())}}
    found = {name: host(gradient) for name, gradient in returned.items() if gradient is not None}
    for name, array in point.variables().items():
        if name not in found or found[name].shape != array.shape:
            got = "missing" if name not in found else f"of shape {found[name].shape}"
            raise CheckFailed(f"The gradient of {name}, shape {array.shape}, is {got}: backward must return it.")
    return found
