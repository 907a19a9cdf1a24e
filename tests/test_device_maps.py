"""Maps that a device computes by itself, in the simulator: against the host's, and that nothing travels."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from numpy.polynomial import polynomial
from oracle_parametrizations import exponential_gradient
from test_cuda_models import BY_NAME, agree, ran
from test_expm import draw
from test_parametrizations import OPTIONS, assert_slope, make, somewhere

from npr import registry
from npr.arrays import host
from npr.backends import get_backend
from npr.backends.simulated import DeviceArray, library
from npr.errors import DivergedError
from npr.gradcheck_cases import draw_point
from npr.parametrizations import placed, taylor
from npr.parametrizations.expm import expm, expm_backward
from npr.parametrizations.maps import MAPS
from npr.parametrizations.placed import Placed
from npr.registry import parametrizations

SIZES = [1, 2, 3, 8, 33, 64]
NORMS = [0.0, 1e-300, 1e-6, 0.99, 1.0, 7.0, 50.0, 400.0]
VARIED = [(name, options) for name, options in OPTIONS if name != "euclidean"]
SIZED = [(name, options, n) for name, options in VARIED for n in (2, 5, 8) if name != "schur" or n % 2 == 0]
MODELS = [("exprnn", {}), ("exprnn", {"rebase_every": 2}), ("exprnn", {"map": "cayley"}), ("scornn", {}), ("nnrnn", {})]


def there(named):
    return {key: library.asarray(value) for key, value in named.items()}


def here(named):
    return {key: value.get() for key, value in named.items()}


def close(found, wanted, tolerance=1e-12, floor=0.0):
    """Within `tolerance` of the largest entry, or of `floor`, and on the device."""
    assert isinstance(found, DeviceArray)
    scale = max(floor, float(np.abs(wanted).max(initial=0))) or 1.0
    np.testing.assert_allclose(found.get() / scale, wanted / scale, rtol=0, atol=tolerance)


@pytest.fixture
def on_device(monkeypatch):
    """From two units on a device keeps its matrices, and an array on its way to the host is an error."""
    monkeypatch.setattr(placed, "DEVICE_UNITS", 2)
    monkeypatch.setattr(placed, "host", lambda x: pytest.fail("went to the host"))


def test_the_polynomial_is_that_of_taylor_to_degree_18() -> None:
    rows = np.zeros((5, 7), object)
    rows[:, taylor.POWERS] = [[Fraction(Decimal(repr(float(a)))) for a in row] for row in taylor.ROWS]
    B1, B2, B3, B4, B5 = rows
    Y = polynomial.polyadd(polynomial.polymul(B1, B5), B4)
    T = polynomial.polyadd(polynomial.polymul(polynomial.polyadd(B3, Y), Y), B2)
    wanted = [Fraction(1, math.factorial(k)) for k in range(19)]
    assert not any(T[19:])
    assert sum(abs(float(a - b)) for a, b in zip(T[:19], wanted, strict=True)) < 2e-16
    assert all(abs(float(a / b) - 1) < 1e-15 for a, b in zip(T[:19], wanted, strict=True))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", MAPS)
def test_both_maps_are_those_of_the_host(name: str, n: int, norm: float) -> None:
    A, G = draw(n, norm)
    W, cache = MAPS[name]["host"].forward(A)
    V, kept = MAPS[name]["device"].forward(library.asarray(A))
    tolerance = 1e-12 * max(1.0, norm / 50)
    close(V, W, tolerance)
    F, E = MAPS[name]["host"].backward(cache, G), MAPS[name]["device"].backward(kept, library.asarray(G))
    close(E - E.T, F - F.T, tolerance)


@pytest.mark.parametrize("norm", [1.0, 12.0, 100.0])
@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_value_and_gradient_are_those_of_scipy(n: int, norm: float) -> None:
    A, G = draw(n, norm)
    W, cache = taylor.expm(library.asarray(A))
    close(W, scipy.linalg.expm(A))
    close(taylor.expm_backward(cache, library.asarray(G)), exponential_gradient(A, G), 1e-12, floor=1.0)


def test_the_size_at_which_a_device_takes_over() -> None:
    A, G = draw(placed.DEVICE_UNITS, 1000.0)
    W, cache = expm(A)
    V, kept = taylor.expm(library.asarray(A))
    assert kept.squarings > 4
    close(V, W, 1e-11)
    close(taylor.expm_backward(kept, library.asarray(G)), expm_backward(cache, G), 1e-11)
    np.testing.assert_allclose((V @ V.T).get(), np.eye(len(A)), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("norm", "wanted"), [(0.0, 0), (1.0, 0), (1.01, 1), (1000.0, 10)])
def test_squarings_follow_the_largest_angle(norm: float, wanted: int) -> None:
    """In a matrix of one plane the bound is exact."""
    A = library.asarray(np.array([[0.0, norm], [-norm, 0.0]]))
    assert taylor.expm(A)[1].squarings == wanted


@pytest.mark.parametrize(("name", "options", "n"), SIZED, ids=str)
def test_every_parametrisation_is_that_of_the_host(name, options, n: int, on_device) -> None:
    p = make(name, n, options)
    theta, buffers, rng = somewhere(p, 0)
    dW = rng.normal(size=(n, n))
    (W, cache), (V, kept) = p.forward(theta, buffers), Placed(p).forward(there(theta), there(buffers))
    close(V, W)
    wanted, found = p.backward(cache, dW), Placed(p).backward(kept, library.asarray(dW))
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].dtype == np.float64
        close(found[key], value, floor=1.0)
    (value, slopes), (other, moved) = p.penalty(theta), Placed(p).penalty(there(theta))
    assert other == pytest.approx(value, rel=1e-14)
    assert slopes.keys() == moved.keys()
    for key, slope in slopes.items():
        close(moved[key], slope)


@pytest.mark.parametrize(("name", "options"), VARIED, ids=str)
@pytest.mark.parametrize("n", [2, 6])
def test_backward_on_the_device_is_the_derivative_of_forward(name, options, n: int, on_device) -> None:
    p = Placed(make(name, n, options))
    theta, buffers, rng = somewhere(p.inner, 1)
    G = rng.normal(size=(n, n))
    kept = there(buffers)
    grads = here(p.backward(p.forward(there(theta), kept)[1], library.asarray(G)))
    assert_slope(lambda at: float((G * p.forward(there(at), kept)[0].get()).sum()), grads, theta, rng)


@pytest.mark.parametrize("map", ["expm", "cayley"])
@pytest.mark.parametrize("n", [2, 5])
def test_bases_move_on_the_device_as_on_the_host(map: str, n: int, on_device) -> None:
    p = parametrizations.get("orthogonal")(size=n, map=map, rebase_every=3, project_every=2)
    rng = np.random.default_rng(n)
    theta, buffers = p.init(rng)
    moved, kept = there(theta), there(buffers)
    for update in range(1, 8):
        step = 0.3 * rng.normal(size=theta["skew"].shape)
        theta["skew"] += step
        moved["skew"] += library.asarray(step)
        buffers, kept = p.settle(theta, buffers), Placed(p).settle(moved, kept)
        assert kept.keys() == buffers.keys()
        for key, value in (buffers | theta).items():
            close((kept | moved)[key], value)
        assert (not theta["skew"].any()) == (update % 3 == 0)


def test_single_precision_on_the_host_is_double_on_the_device(on_device) -> None:
    wide, narrow = (parametrizations.get("orthogonal")(size=6, precision=kind) for kind in ("float64", "float32"))
    theta, buffers, _ = somewhere(wide, 0)
    V, kept = Placed(narrow).forward(there(theta), buffers)
    close(V, wide.forward(theta, buffers)[0])
    assert Placed(narrow).backward(kept, V.astype(np.float32))["skew"].dtype == np.float64


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e60])
@pytest.mark.parametrize("name", ["orthogonal", "scaled-cayley", "schur"])
def test_what_is_not_finite_ends_as_divergence(name: str, value: float, on_device) -> None:
    p = Placed(parametrizations.get(name)(size=4))
    theta, buffers = p.inner.init(np.random.default_rng(0))
    theta["log_P" if name == "schur" else "skew"][2] = value
    if name == "scaled-cayley" and np.isfinite(value):
        assert np.isfinite(p.forward(there(theta), there(buffers))[0].get()).all()
        return
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(DivergedError, match="Training diverged"):
        p.forward(there(theta), there(buffers))


@pytest.mark.parametrize(("name", "options"), MODELS, ids=str)
def test_models_agree_with_the_cpu(name: str, options, on_device) -> None:
    model = registry.models.get(name)(input_size=2, output_size=3, hidden_size=4, readout="every", **options)
    point = draw_point(model, dataclasses.replace(BY_NAME["ragged"], steps=5), (4,))
    agree(ran(get_backend("cuda"), point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


@pytest.mark.parametrize("rebase_every", [-1, 2])
def test_buffers_of_few_units_travel_once(rebase_every: int, monkeypatch) -> None:
    p = Placed(parametrizations.get("orthogonal")(size=4, rebase_every=rebase_every))
    theta, buffers = p.inner.init(np.random.default_rng(0))
    moved, kept = there(theta), there(buffers)
    travelled = []
    monkeypatch.setattr(placed, "host", lambda x: travelled.append(x.shape) or host(x))
    monkeypatch.setattr(DeviceArray, "get", lambda x: travelled.append("get") or np.array(x.view(np.ndarray)))
    for _ in range(3):
        p.forward(moved, kept)
        kept = p.settle(moved, kept)
        buffers = p.inner.settle(theta, buffers)
    assert all(type(value) is np.ndarray for value in kept.values())
    assert travelled.count("get") == 2 * 3 + 2 * len(buffers)
    assert all(np.array_equal(kept[key], value) for key, value in buffers.items())


def test_names_that_a_device_needs_of_cupy() -> None:
    """Without a device its functions cannot be called; that they are there can be seen."""
    cupy = pytest.importorskip("cupy", reason="needs CuPy, for the names only", exc_type=ImportError)
    for name in ("asarray", "eye", "ones", "zeros", "zeros_like", "stack", "tensordot", "isfinite", "cos", "sin"):
        assert callable(getattr(cupy, name)), name
    for name in ("inv", "norm", "svd"):
        assert callable(getattr(cupy.linalg, name)), name
    assert hasattr(cupy.ndarray, "__array_function__")
    assert hasattr(cupy.ndarray, "__array_ufunc__")
