"""The register-tile product against NumPy's, at sizes around every edge of the tile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from npr.kernels import tile
from npr.kernels.jit import kernel

SIZES = [(1, 1, 1), (2, 3, 31), (5, 128, 32), (12, 7, 33), (13, 170, 190), (23, 31, 64), (96, 128, 128), (7, 1, 475)]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-13}


@kernel
def _multiply(a, panels, c, accumulate):
    tile.multiply(a, panels, c, accumulate)


@kernel
def _multiply_transposed(a, b, c):
    tile.multiply_transposed(a, b, c)


def _matrix(seed: int, shape: tuple[int, int], dtype: type) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_product_is_that_of_numpy(size: tuple[int, int, int], accumulate: bool, dtype: type) -> None:
    m, k, n = size
    a, w, c = _matrix(0, (m, k), dtype), _matrix(1, (k, n), dtype), _matrix(2, (m, n), dtype)
    wanted = a.astype(float) @ w + (c if accumulate else 0)
    _multiply(a, tile.pack(w), c, accumulate)
    assert _error(c, wanted) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_transposed_product_adds_to_c(size: tuple[int, int, int], dtype: type) -> None:
    m, k, n = size
    a, b, c = _matrix(0, (m, k), dtype), _matrix(1, (m, n), dtype), _matrix(2, (k, n), dtype)
    wanted = c + a.astype(float).T @ b
    _multiply_transposed(a, b, c)
    assert _error(c, wanted) < TOLERANCE[dtype]


@pytest.mark.parametrize("columns", [(0, 5), (3, 40), (1, 33)])
def test_strided_rows_are_read_and_their_neighbours_left_alone(columns: tuple[int, int]) -> None:
    first, last = columns
    wide, a = np.full((9, 50), 7.0), _matrix(0, (9, 60), np.float64)[:, 4:21]
    w = _matrix(1, (17, last - first), np.float64)
    _multiply(a, tile.pack(w), wide[:, first:last], False)
    np.testing.assert_allclose(wide[:, first:last], a @ w, atol=1e-13)
    outside = np.delete(wide, np.s_[first:last], axis=1)
    assert (outside == 7.0).all()


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_panels_are_padded_with_zeros_and_take_any_strides(dtype: type) -> None:
    w = _matrix(0, (3, tile.panel_width(dtype) + 1), dtype)
    panels = tile.pack(w.T.copy().T)
    assert panels.shape == (2, 3, tile.panel_width(dtype))
    np.testing.assert_array_equal(np.concatenate(list(panels), axis=1)[:, : w.shape[1]], w)
    assert (panels[1, :, 1:] == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(value: float) -> None:
    a, w, c = np.ones((5, 4)), np.ones((4, 3)), np.zeros((5, 3))
    a[2, 1] = value
    _multiply(a, tile.pack(w), c, False)
    assert not np.isfinite(c[2]).any()
    assert np.isfinite(np.delete(c, 2, axis=0)).all()


@pytest.mark.parametrize("product", [_multiply, tile._multiply_numpy])
def test_what_stood_in_c_is_forgotten(product: Callable) -> None:
    a, w, c = _matrix(0, (5, 7), np.float64), _matrix(1, (7, 33), np.float64), np.full((5, 33), np.nan)
    product(a, tile.pack(w), c, False)
    np.testing.assert_allclose(c, a @ w, atol=1e-13)


def test_numpy_twins_answer_alike() -> None:
    a, w, c = _matrix(0, (5, 7), np.float64), _matrix(1, (7, 33), np.float64), np.zeros((5, 33))
    tile._multiply_numpy(a, tile.pack(w), c, False)
    np.testing.assert_allclose(c, a @ w, atol=1e-13)
    tile._multiply_transposed_numpy(a, c, w)
    np.testing.assert_allclose(w, _matrix(1, (7, 33), np.float64) + a.T @ c, atol=1e-12)


def test_tiles_of_a_strip_cover_it_and_leave_no_single_row() -> None:
    for rows in range(2, 3 * tile.ROWS):
        heights, left = [], rows
        while left:
            heights.append(int(tile._FIRST[left]))
            left -= heights[-1]
        assert left == 0
        assert 1 not in heights
        assert set(heights) <= set(tile.HEIGHTS)
