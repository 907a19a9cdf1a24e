"""Every parametrisation against its paper's formula, central differences, and the properties it promises."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_parametrizations import ORACLES
from threadpoolctl import threadpool_limits

from npr.finite_difference import best_slope
from npr.parametrizations.matrix_init import initial_matrix
from npr.params import count
from npr.registry import parametrizations

OPTIONS = [
    ("euclidean", {}),
    ("orthogonal", {}),
    ("orthogonal", {"map": "cayley"}),
    ("orthogonal", {"rebase_every": -1}),
    ("orthogonal", {"rebase_every": 1, "project_every": 1}),
    ("orthogonal", {"rebase_every": 3, "project_every": 0, "map": "cayley"}),
    ("scaled-cayley", {"rho": 0}),
    ("scaled-cayley", {"rho": 1}),
    ("scaled-cayley", {"rho": "all"}),
    ("schur", {}),
    ("schur", {"mask": "paper", "gamma_penalty": 0.1}),
]
IDS = ["-".join([name, *(f"{k}-{v}" for k, v in options.items())]) for name, options in OPTIONS]
ROTATIONS = [case for case in OPTIONS if case[0] in ("orthogonal", "scaled-cayley")]
sizes = pytest.mark.parametrize("n", [1, 2, 5, 8])
cases = pytest.mark.parametrize(
    ("name", "options", "n"),
    [
        pytest.param(name, options, n, id=f"{text}-n-{n}")
        for (name, options), text in zip(OPTIONS, IDS, strict=True)
        for n in (1, 2, 5, 8)
        if name != "schur" or n % 2 == 0
    ],
)


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


def make(name: str, n: int, options: dict):
    return parametrizations.get(name)(size=n, **{k: n if v == "all" else v for k, v in options.items()})


def somewhere(p, seed: int):
    """theta away from the start, after two updates."""
    rng = np.random.default_rng(seed)
    theta, buffers = p.init(rng)
    for _ in range(2):
        for value in theta.values():
            value += 0.4 * rng.normal(size=value.shape)
        buffers = p.settle(theta, buffers)
    for value in theta.values():
        value += 0.4 * rng.normal(size=value.shape)
    return theta, buffers, rng


def assert_slope(loss, grads: dict, theta: dict, rng) -> None:
    """The gradient along a random direction is the central difference of `loss`."""
    step = {key: rng.normal(size=np.shape(value)) for key, value in theta.items()}
    wanted = best_slope(lambda s: loss({k: v + s * step[k] for k, v in theta.items()}), loss(theta)).value
    size = max((float(np.abs(g).max(initial=0)) for g in grads.values()), default=0.0)
    found = sum(float((grads[key] * step[key]).sum()) for key in grads)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-8 * size + 1e-10)


def test_every_parametrisation_is_among_the_cases() -> None:
    assert parametrizations.names() == sorted({name for name, _ in OPTIONS}) == sorted(ORACLES)


@cases
def test_the_matrix_is_that_of_the_paper(name, options, n: int) -> None:
    p = make(name, n, options)
    theta, buffers, _ = somewhere(p, 0)
    W, _ = p.forward(theta, buffers)
    assert W.dtype == np.float64
    np.testing.assert_allclose(W, ORACLES[name](p, theta, buffers), rtol=0, atol=1e-11)


@cases
def test_gradients_have_the_keys_and_shapes_of_theta(name, options, n: int) -> None:
    p = make(name, n, options)
    theta, buffers = p.init(np.random.default_rng(0))
    W, cache = p.forward(theta, buffers)
    grads = p.backward(cache, W)
    assert {k: v.shape for k, v in grads.items()} == {k: v.shape for k, v in theta.items()}
    assert all(v.dtype == np.float64 for v in (*theta.values(), *grads.values(), *buffers.values(), W))


@pytest.mark.parametrize("seed", [0, 1, 2])
@cases
def test_backward_is_the_derivative_of_forward(name, options, n: int, seed: int) -> None:
    p = make(name, n, options)
    theta, buffers, rng = somewhere(p, seed)
    G = rng.normal(size=(n, n))
    grads = p.backward(p.forward(theta, buffers)[1], G)
    assert_slope(lambda at: float((G * p.forward(at, buffers)[0]).sum()), grads, theta, rng)


@cases
def test_a_pass_leaves_its_arguments_alone(name, options, n: int) -> None:
    p = make(name, n, options)
    theta, buffers, rng = somewhere(p, 3)
    dW = rng.normal(size=(n, n))
    arrays = {**theta, **buffers, "dW": dW}
    before = {k: v.copy() for k, v in arrays.items()}
    W, cache = p.forward(theta, buffers)
    grads = p.backward(cache, dW)
    for mine in (W, *grads.values()):
        mine += 1
    assert all(np.array_equal(arrays[k], before[k]) for k in arrays)


@cases
def test_float32_parameters_are_worked_on_in_float64(name, options, n: int) -> None:
    p = make(name, n, options)
    theta, buffers, _ = somewhere(p, 4)
    single = {k: v.astype(np.float32) for k, v in theta.items()}
    W, cache = p.forward(single, buffers)
    same, _ = p.forward({k: v.astype(np.float64) for k, v in single.items()}, buffers)
    assert W.dtype == np.float64
    np.testing.assert_allclose(W, same, rtol=0, atol=1e-13)
    assert all(g.dtype == np.float64 for g in p.backward(cache, W.astype(np.float32)).values())
    assert p.settle(single, buffers).keys() == buffers.keys()
    assert all(v.dtype == np.float32 for v in single.values())


@pytest.mark.parametrize("name", ["orthogonal", "schur"])
def test_single_precision_is_close(name: str) -> None:
    wide, narrow = (parametrizations.get(name)(size=64, precision=kind) for kind in ("float64", "float32"))
    theta, buffers, rng = somewhere(wide, 0)
    dW = rng.normal(size=(64, 64))
    (W, cache), (w, narrow_cache) = wide.forward(theta, buffers), narrow.forward(theta, buffers)
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, W, rtol=0, atol=1e-5 * np.abs(W).max())
    exact, single = wide.backward(cache, dW), narrow.backward(narrow_cache, dW)
    for key, value in exact.items():
        assert single[key].dtype == np.float32
        np.testing.assert_allclose(single[key], value, rtol=0, atol=1e-5 * np.abs(value).max())


@pytest.mark.parametrize("n", [1, 2, 5, 32])
@pytest.mark.parametrize(("name", "options"), ROTATIONS, ids=str)
def test_fifty_updates_keep_the_matrix_orthogonal(name, options, n: int) -> None:
    p = make(name, n, {k: min(v, n) if k == "rho" and v != "all" else v for k, v in options.items()})
    rng = np.random.default_rng(0)
    theta, buffers = p.init(rng)
    for _ in range(50):
        theta["skew"] += 0.3 * rng.normal(size=theta["skew"].shape)
        buffers = p.settle(theta, buffers)
    W, _ = p.forward(theta, buffers)
    np.testing.assert_allclose(W @ W.T, np.eye(n), rtol=0, atol=1e-12)


@sizes
@pytest.mark.parametrize("map", ["expm", "cayley"])
@pytest.mark.parametrize("project_every", [0, 1])
def test_a_rebase_moves_the_base_and_not_the_matrix(map: str, project_every: int, n: int) -> None:
    p = parametrizations.get("orthogonal")(size=n, map=map, rebase_every=3, project_every=project_every)
    rng = np.random.default_rng(n)
    theta, buffers = p.init(rng)
    for update in range(1, 7):
        theta["skew"] += 0.3 * rng.normal(size=theta["skew"].shape)
        before, old_base = p.forward(theta, buffers)[0], buffers["base"].copy()
        held = buffers
        buffers = p.settle(theta, buffers)
        np.testing.assert_allclose(p.forward(theta, buffers)[0], before, rtol=0, atol=1e-12)
        assert (not theta["skew"].any()) == (update % 3 == 0 or n == 1)
        assert np.array_equal(held["base"], old_base)
        assert np.array_equal(buffers["base"], old_base) == (update % 3 != 0 or n == 1)
        assert (held["age"].tolist(), buffers["age"].tolist()) == ([update - 1], [update])
    G = rng.normal(size=(n, n))
    grads = p.backward(p.forward(theta, buffers)[1], G)
    assert_slope(lambda at: float((G * p.forward(at, buffers)[0]).sum()), grads, theta, rng)
    S = buffers["base"].T @ G
    np.testing.assert_allclose(grads["skew"], (S - S.T)[np.triu_indices(n, 1)], rtol=0, atol=1e-12)


def test_every_second_rebase_projects_the_base() -> None:
    p = parametrizations.get("orthogonal")(size=6, rebase_every=2, project_every=2)
    theta, buffers = p.init(np.random.default_rng(0))
    wanted = buffers["base"].copy()
    stretch = wanted @ np.diag(1 + 1e-3 * np.arange(6))
    buffers["base"] = stretch
    for update in range(1, 5):
        buffers = p.settle(theta, buffers)
        np.testing.assert_allclose(buffers["base"], wanted if update == 4 else stretch, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rebase_every", [0, -1, 1, 5])
def test_the_first_matrix_does_not_depend_on_the_base(rebase_every: int) -> None:
    p = parametrizations.get("orthogonal")(size=7, skew_init="haar", rebase_every=rebase_every)
    theta, buffers = p.init(np.random.default_rng(5))
    expected = initial_matrix("haar", np.random.default_rng(5), 7)
    np.testing.assert_allclose(p.forward(theta, buffers)[0], expected, rtol=0, atol=1e-13)
    assert set(buffers) == {0: set(), -1: {"base"}}.get(rebase_every, {"base", "age"})
    assert theta["skew"].any() == (rebase_every == 0)


def test_an_infinite_period_never_moves_the_base() -> None:
    p = parametrizations.get("orthogonal")(size=4, rebase_every=-1)
    theta, buffers, _ = somewhere(p, 0)
    assert p.settle(theta, buffers) is buffers
    assert theta["skew"].all()


@pytest.mark.parametrize("n", [2, 6, 128])
def test_numbers_of_parameters(n: int) -> None:
    wanted = {"euclidean": n * n, "orthogonal": n * (n - 1) // 2, "scaled-cayley": n * (n - 1) // 2, "schur": n * n}
    for name, number in wanted.items():
        assert count(parametrizations.get(name)(size=n).init(np.random.default_rng(0))[0]) == number


def test_which_entries_decay_and_which_have_their_own_rate() -> None:
    roles = {}
    for name in parametrizations.names():
        p = parametrizations.get(name)(size=2)
        for key in p.init(np.random.default_rng(0))[0]:
            roles[name, key] = p.orthogonal(key), p.decays(key)
    assert roles == {
        ("euclidean", "W"): (False, True),
        ("orthogonal", "skew"): (True, False),
        ("scaled-cayley", "skew"): (True, False),
        ("schur", "log_P"): (True, False),
        ("schur", "T"): (False, True),
        ("schur", "gamma"): (False, False),
        ("schur", "angle"): (False, False),
    }


def test_penalty_of_gamma() -> None:
    p = parametrizations.get("schur")(size=8, gamma_penalty=0.15)
    theta, _, rng = somewhere(p, 0)
    value, grads = p.penalty(theta)
    assert value == pytest.approx(0.15 * sum((g - 1) ** 2 for g in theta["gamma"]))
    assert_slope(lambda at: p.penalty(at)[0], grads, theta, rng)
    assert p.penalty(p.init(rng)[0])[0] == 0.0


@pytest.mark.parametrize("name", parametrizations.names())
def test_no_penalty_by_default(name: str) -> None:
    p = parametrizations.get(name)(size=4)
    assert p.penalty(somewhere(p, 0)[0]) == (0.0, {})


@pytest.mark.parametrize(("mask", "inert"), [("paper", [0, 5]), ("code", [])])
def test_what_the_mask_of_t_covers(mask: str, inert: list[int]) -> None:
    p = parametrizations.get("schur")(size=4, mask=mask)
    theta, buffers, rng = somewhere(p, 0)
    W, cache = p.forward(theta, buffers)
    grads = p.backward(cache, rng.normal(size=(4, 4)))
    assert np.flatnonzero(grads["T"] == 0).tolist() == inert
    theta["T"][[0, 5]] += 1
    assert np.array_equal(p.forward(theta, buffers)[0], W) == bool(inert)


def test_the_paper_mask_keeps_gamma_as_modulus_of_the_eigenvalues() -> None:
    p = parametrizations.get("schur")(size=6, mask="paper")
    theta, buffers, _ = somewhere(p, 0)
    modulus = np.sort(np.abs(np.linalg.eigvals(p.forward(theta, buffers)[0])))
    np.testing.assert_allclose(modulus, np.sort(np.repeat(np.abs(theta["gamma"]), 2)), rtol=1e-8)
