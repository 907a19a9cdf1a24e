"""The exponential of a skew-symmetric matrix and its gradient against SciPy's general routines."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from oracle_parametrizations import exponential_gradient
from threadpoolctl import threadpool_limits

from npr.parametrizations.expm import expm, expm_backward


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


def draw(n: int, norm: float, seed: int = 0):
    """A skew-symmetric matrix with this 1-norm, and a gradient."""
    rng = np.random.default_rng([seed, n])
    A = rng.normal(size=(n, n))
    A -= A.T
    largest = np.abs(A).sum(0).max()
    return A * (norm / largest if largest else 0.0), rng.normal(size=(n, n))


def check(A, G, tolerance: float = 1e-10) -> None:
    W, cache = expm(A)
    np.testing.assert_allclose(W, scipy.linalg.expm(A), rtol=0, atol=tolerance)
    F = expm_backward(cache, G)
    np.testing.assert_allclose(F, exponential_gradient(A, G), rtol=0, atol=tolerance)
    np.testing.assert_allclose(F, -F.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", [0.0, 1e-300, 1e-12, 1e-6, 1.0, 12.0, 45.0, 100.0])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 16, 33, 64])
def test_value_and_gradient_are_those_of_scipy(n: int, norm: float) -> None:
    check(*draw(n, norm))


@pytest.mark.parametrize("n", [128, 170])
def test_value_and_gradient_at_the_sizes_of_the_papers(n: int) -> None:
    check(*draw(n, 45.0))


@pytest.mark.parametrize("norm", [1.0, 100.0])
@pytest.mark.parametrize("n", [1, 2, 3, 64, 191, 512])
def test_the_result_is_orthogonal(n: int, norm: float) -> None:
    W, _ = expm(draw(n, norm)[0])
    np.testing.assert_allclose(W @ W.T, np.eye(n), rtol=0, atol=1e-12)
    assert np.linalg.slogdet(W)[0] == 1


@pytest.mark.parametrize("angles", [(1.0, 1.0, 1.0), (np.pi, np.pi, 0.0), (2.0, 2.0 + 1e-13, 0.0), (0.0, 0.0, 5.0)])
@pytest.mark.parametrize("n", [6, 7])
def test_repeated_opposite_and_zero_angles(angles, n: int) -> None:
    A = np.zeros((n, n))
    for i, s in enumerate(angles):
        A[2 * i, 2 * i + 1], A[2 * i + 1, 2 * i] = s, -s
    Q = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))[0]
    G = draw(n, 1.0)[1]
    check(A, G)
    turned = Q @ A @ Q.T
    check((turned - turned.T) / 2, G)


def test_low_rank() -> None:
    u, v = np.random.default_rng(0).normal(size=(2, 40))
    check(np.outer(u, v) - np.outer(v, u), draw(40, 1.0)[1], 1e-9)


@pytest.mark.parametrize("norm", [1.0, 12.0, 45.0])
@pytest.mark.parametrize("n", [1, 2, 3, 64, 128])
def test_float32_stays_float32_and_close(n: int, norm: float) -> None:
    A, G = (a.astype(np.float32) for a in draw(n, norm))
    W, cache = expm(A)
    F = expm_backward(cache, G)
    assert W.dtype == F.dtype == np.float32
    np.testing.assert_allclose(W, scipy.linalg.expm(A.astype(np.float64)), rtol=0, atol=1e-5)
    exact = exponential_gradient(A.astype(np.float64), G.astype(np.float64))
    np.testing.assert_allclose(F, exact, rtol=0, atol=1e-5 * max(1.0, np.abs(exact).max()))


def test_the_arguments_are_left_alone() -> None:
    A, G = draw(9, 3.0)
    before = A.copy(), G.copy()
    expm_backward(expm(A)[1], G)
    assert (before[0] == A).all()
    assert (before[1] == G).all()
