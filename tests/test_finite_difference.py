"""Central differences: right on smooth functions, honest about kinks, and without traces in the arrays."""

from __future__ import annotations

import numpy as np
import pytest

from npr.finite_difference import along, best_slope, relative_error


@pytest.mark.parametrize(
    ("function", "wanted"), [(np.sin, 1.0), (np.exp, 1.0), (lambda s: 0.0, 0.0), (lambda s: s**3, 0.0)]
)
def test_best_slope(function, wanted: float) -> None:
    assert best_slope(function, function(0.0)).value == pytest.approx(wanted, abs=1e-9)


def test_best_slope_steps_around_a_kink_close_by() -> None:
    found = best_slope(lambda s: max(s - 2e-6, 0.0) + 3 * s, 0.0)
    assert found.value == pytest.approx(3.0, rel=1e-9)


@pytest.mark.parametrize("kink", [0.0, 2e-7, -2e-7])
def test_a_kink_inside_the_smallest_step_shows(kink: float) -> None:
    assert best_slope(lambda s: max(s - kink, 0.0) + s, max(-kink, 0.0)).error > 1e-2


def test_walking_leaves_the_array_as_it_was() -> None:
    array = np.array([0.1, 0.2])
    walked = along(lambda: float(array.sum()), array, np.array([1.0, 0.0]))
    assert walked(2.0) == pytest.approx(2.3)
    assert array.tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    ("analytic", "numeric", "wanted"),
    [([1.0, 2.0], [1.0, 2.5], 0.2), ([0.0], [0.0], 0.0), ([0.0], [1e-12], 1e-9), ([np.inf], [1.0], np.inf)],
)
def test_relative_error(analytic: list, numeric: list, wanted: float) -> None:
    assert relative_error(np.array(analytic), np.array(numeric), 1e-3) == pytest.approx(wanted)
