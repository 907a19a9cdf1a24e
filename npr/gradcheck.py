"""The hand-written backward pass of a model against finite differences of its forward pass, in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npr.context import Model
from npr.errors import CheckFailed, ConfigError
from npr.finite_difference import STEPS, Slope, along, best_slope, relative_error
from npr.gradcheck_cases import CASES, Case, Point, applies, draw_point, options_for, shortened
from npr.params import Array

TOLERANCE = 1e-6
KINK = 1e-4
REDRAWS = 5
UNSTEADY = 1e-4
MAX_ENTRIES = 100


@dataclass(frozen=True)
class Checked:
    """Relative error of one parameter, of the input `x` or of an initial state `state.i`."""

    name: str
    shape: tuple[int, ...]
    rel_error: float


@dataclass(frozen=True)
class CaseResult:
    """What one case gave, and how many points near a kink were drawn before the one it used."""

    case: str
    redraws: int
    checked: tuple[Checked, ...]

    @property
    def max_rel_error(self) -> float:
        """Largest error of the case."""
        return max(entry.rel_error for entry in self.checked)


@dataclass(frozen=True)
class Report:
    """Outcome of a gradient check.

    Parameters
    ----------
    model : str
        Registry name.
    cases : tuple of CaseResult
        One per case of the list, in its order.
    """

    model: str
    cases: tuple[CaseResult, ...]

    @property
    def parameters(self) -> list[Checked]:
        """For every name the worst error over the cases, with the shape the tensor had there."""
        worst: dict[str, Checked] = {}
        for entry in (entry for case in self.cases for entry in case.checked):
            if entry.name not in worst or entry.rel_error > worst[entry.name].rel_error:
                worst[entry.name] = entry
        return list(worst.values())

    @property
    def max_rel_error(self) -> float:
        """Largest error of all."""
        return max(case.max_rel_error for case in self.cases)

    @property
    def passed(self) -> bool:
        """Whether every error is within 1e-6."""
        return self.max_rel_error <= TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        """The document of `npr gradcheck --json`; an infinite error, which JSON lacks, becomes None."""
        rows = [{"name": e.name, "shape": list(e.shape), "rel_error": _or_none(e.rel_error)} for e in self.parameters]
        return {"model": self.model, "max_rel_error": _or_none(self.max_rel_error), "parameters": rows}


def check(
    name: str,
    options: Mapping[str, Any] | None = None,
    cases: Sequence[Case] = CASES,
    seed: int = 0,
    entries: bool = True,
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

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        If a name or an option is unknown, or an option makes the backward pass differ from the derivative.
    CheckFailed
        If a gradient is missing or has another shape than its parameter.

    Source: directional checks as in HIPS/autograd; redraws near a kink as in Chainer's gradient_check.
    """
    from npr import build

    results = []
    for case in (case for case in cases if applies(name, case)):
        model = build(name, **options_for(name, case, options or {}))
        if getattr(model, "step_clip", 0.0):
            raise ConfigError("step_clip alters the gradient on purpose: check the gradients with step_clip=0.")
        results.append(check_case(model, case, seed, entries))
    return Report(name, tuple(results))


def check_case(model: Model, case: Case, seed: int = 0, entries: bool = True) -> CaseResult:
    """Check one model object in one case.

    Parameters
    ----------
    model : Model
        Any object of the model protocol, registered or not.
    case : Case
        Sizes of the batch and what it carries.
    seed, entries
        As in `check`.

    Returns
    -------
    CaseResult

    Raises
    ------
    CheckFailed
        If a gradient is missing or has another shape than its parameter.
    """
    case = shortened(model, case)
    for redraw in range(REDRAWS + 1):
        point = draw_point(model, case, (seed, redraw, *case.name.encode()))
        margin, last = point.margin(), redraw == REDRAWS
        if margin is not None and margin < KINK and not last:
            continue
        checked, steady = _compare(point, entries and case.entries, seed)
        if margin is not None or steady or last:
            break
    return CaseResult(case.name, redraw, checked)


def _compare(point: Point, entries: bool, seed: int) -> tuple[tuple[Checked, ...], bool]:
    """Errors of all variables, and whether no difference quotient showed a kink inside its step."""
    gradients = _gradients(point)
    start, noise = float(point.terms().sum()), point.noise()
    rng = np.random.default_rng(seed)
    checked, steady = [], True
    for name, array in point.variables().items():
        errors = []
        for directions in _modes(array, rng, entries):
            slopes = [_slope(point, start, array, direction, noise) for direction in directions]
            floor = _floor(noise, min(found.step for found in slopes))
            numeric = np.array([found.value for found in slopes])
            analytic = np.array([np.vdot(gradients[name], direction) for direction in directions])
            errors.append(relative_error(analytic, numeric, floor))
            unsteady = max(found.error for found in slopes)
            steady &= unsteady <= UNSTEADY * max(float(np.abs(numeric).max()), floor)
        checked.append(Checked(name, array.shape, max(errors)))
    return tuple(checked), steady


def _modes(array: Array, rng: np.random.Generator, entries: bool) -> list[Array]:
    """Sets of directions (K, *shape): one random unit vector; where asked for, single entries, all if few."""
    direction = rng.normal(size=(1, *array.shape))
    chosen = rng.permutation(array.size)[:MAX_ENTRIES]
    single = np.zeros((len(chosen), array.size))
    single[np.arange(len(chosen)), chosen] = 1.0
    along_one = direction / np.linalg.norm(direction)
    return [along_one, single.reshape(-1, *array.shape)] if entries else [along_one]


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
    found = {name: gradient for name, gradient in returned.items() if gradient is not None}
    for name, array in point.variables().items():
        if name not in found or found[name].shape != array.shape:
            got = "missing" if name not in found else f"of shape {found[name].shape}"
            raise CheckFailed(f"The gradient of {name}, shape {array.shape}, is {got}: backward must return it.")
    return found


def _or_none(error: float) -> float | None:
    return error if math.isfinite(error) else None
