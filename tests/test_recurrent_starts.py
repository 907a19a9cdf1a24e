"""Initial recurrent matrices: the distributions of the papers, and those of the code that was released with them."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_parametrizations import ORACLES, skew
from threadpoolctl import threadpool_limits

from npr.errors import ConfigError
from npr.parametrizations.matrix_init import MATRICES, initial_matrix
from npr.parametrizations.skew_init import SKEWS, initial_skew
from npr.registry import parametrizations


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.mark.parametrize("start", ["henaff", "cayley", "zero"])
def test_block_starts_leave_the_rotations_as_they_are(start: str) -> None:
    p = parametrizations.get("schur")(size=8, skew_init=start)
    theta, buffers = p.init(np.random.default_rng(0))
    assert 0 <= theta["angle"].min() <= theta["angle"].max() < 6.28
    assert not theta["T"].any()
    assert (theta["gamma"] == 1).all()
    blocks = ORACLES["schur"](p, theta | {"log_P": np.zeros(28)}, buffers)
    np.testing.assert_allclose(p.forward(theta, buffers)[0], blocks, rtol=0, atol=1e-14)


BLOCKS = {
    "henaff": lambda s: (np.abs(s) < np.pi).all() and (s > 1).any() and (s < -1).any(),
    "henaff-release": lambda s: ((-np.pi < s) & (s < 0)).all() and (s < -2.5).any(),
    "cayley": lambda s: ((s > -1) & (s < 0)).all() and (s < -0.9).any(),
    "zero": lambda s: not s.any(),
}


@pytest.mark.parametrize("n", [200, 201])
@pytest.mark.parametrize("name", BLOCKS)
def test_block_starts(name: str, n: int) -> None:
    A = skew(initial_skew(name, np.random.default_rng(0), n), n)
    s = np.diagonal(A, 1)[::2].copy()
    assert BLOCKS[name](s)
    assert np.count_nonzero(A) == 2 * np.count_nonzero(s) == (0 if name == "zero" else 2 * (n // 2))
    assert not (n % 2 and A[-1].any())


def test_cayley_start_turns_by_up_to_a_quarter_under_the_map_of_scornn() -> None:
    p = parametrizations.get("scaled-cayley")(size=400)
    W, _ = p.forward(*p.init(np.random.default_rng(0)))
    angles = np.abs(np.angle(np.linalg.eigvals(W)))
    assert angles.max() <= np.pi / 2
    assert angles.mean() == pytest.approx(np.pi / 4, rel=0.1)


@pytest.mark.parametrize("name", ["haar", "haar-release"])
@pytest.mark.parametrize("n", [1, 2, 3, 16])
def test_haar_starts_are_rotations(name: str, n: int) -> None:
    W = initial_matrix(name, np.random.default_rng(0), n)
    np.testing.assert_allclose(W @ W.T, np.eye(n), rtol=0, atol=1e-12)
    assert np.linalg.det(W) == pytest.approx(1)


@pytest.mark.parametrize("name", ["haar", "haar-release"])
def test_haar_starts_are_the_signed_factor_they_come_from(name: str) -> None:
    q, r = np.linalg.qr(np.random.default_rng(5).normal(size=(9, 9)))
    q = q * np.sign(np.diag(r if name == "haar" else q))
    assert np.linalg.det(q) > 0, "choose a seed whose first draw is kept"
    np.testing.assert_allclose(initial_matrix(name, np.random.default_rng(5), 9), q, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "trace"), [("haar", 0.0), ("haar-release", 3.2)])
def test_mean_trace_tells_haar_from_the_release(name: str, trace: float) -> None:
    rng = np.random.default_rng(0)
    found = np.mean([np.trace(initial_matrix(name, rng, 16)) for _ in range(300)])
    assert found == pytest.approx(trace, abs=0.25)


WEIGHTS = {
    "glorot-normal": lambda W: W.std() == pytest.approx(np.sqrt(1 / 200), rel=0.02),
    "kaiming-normal": lambda W: W.std() == pytest.approx(np.sqrt(2 / 200), rel=0.02),
    "normal-0.001": lambda W: W.std() == pytest.approx(0.001, rel=0.02),
    "identity": lambda W: (np.eye(200) == W).all(),
    "scaled-identity": lambda W: (0.01 * np.eye(200) == W).all(),
    # A semicircle of angles with the edge 2 / sqrt(3), where Haar reaches pi.
    "release": lambda W: 1.1 < np.abs(np.angle(np.linalg.eigvals(W))).max() < 1.2,
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_starts_without_constraint(name: str) -> None:
    p = parametrizations.get("euclidean")(size=200, recurrent_init=name)
    assert WEIGHTS[name](p.init(np.random.default_rng(0))[0]["W"])


@pytest.mark.parametrize("name", [name for name in MATRICES if name in SKEWS or name == "release"])
def test_orthogonal_starts_without_constraint(name: str) -> None:
    W = parametrizations.get("euclidean")(size=31, recurrent_init=name).init(np.random.default_rng(0))[0]["W"]
    np.testing.assert_allclose(W @ W.T, np.eye(31), rtol=0, atol=1e-12)


@pytest.mark.parametrize("draw", [initial_skew, initial_matrix])
def test_unknown_starts_name_the_nearest(draw) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'henaff'"):
        draw("henaf", np.random.default_rng(0), 4)
