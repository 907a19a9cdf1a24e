"""The IndRNN layer: published single steps, bounds on u, dropout, step clip, initial values."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest

from npr import build, gradcheck
from npr.backends import get_backend
from npr.context import Context
from npr.gradcheck_cases import Case, draw_point

CPU = get_backend("cpu")


def one_layer(**options: Any):
    sizes = {"input_size": 4, "output_size": 4, "seq_len": 1, "hidden_size": 4, "layers": 1}
    return build("indrnn", **{**sizes, "norm": "none", "dropout": 0.0, **options})


def one_step(u: list[float], **options: Any) -> list[float]:
    model = one_layer(activation="identity", **options)
    named, buffers = model.init(np.random.default_rng(0), dtype=np.float64)
    named["layers.0.W_in"][...], named["layers.0.bias"][...], named["layers.0.u"][...] = 1.0, 0.0, u
    x, h0 = np.array([[[1.0, 0.0, 0.0, 0.0]]]), np.full((1, 4), 2.0)
    return model.forward(Context(CPU), named, buffers, x, (h0,)).state[0][0].tolist()


def test_a1_one_published_step() -> None:
    assert one_step([-3.0, -2.0, 1.0, 3.0], u_bound="none") == [-5.0, -3.0, 3.0, 7.0]


def test_a2_one_published_step_with_bounds_in_the_graph() -> None:
    assert one_step([-5.0, -2.0, 0.1, 5.0], u_bound="clip", u_min=1.0, u_max=3.0) == [-5.0, -3.0, 3.0, 7.0]


@pytest.mark.parametrize("position", ["after", "before"])
@pytest.mark.parametrize("norm", ["time", "step"])
def test_a3_gradients_with_norm_and_dropout(norm: str, position: str) -> None:
    options = {"norm": norm, "norm_position": position, "dropout": 0.25}
    case = Case("a3", steps=7, batch=6, carried=True, entries=True)
    assert gradcheck.check("indrnn", options, [case]).max_rel_error < 1e-6


@pytest.mark.parametrize("clip", [0.05, 0.5, 100.0])
@pytest.mark.parametrize("activation", sorted(oracles.ACTIVATIONS))
@pytest.mark.parametrize("ragged", [False, True])
def test_step_clip_acts_inside_the_recurrence(ragged: bool, activation: str, clip: float) -> None:
    model = one_layer(seq_len=8, readout="every", activation=activation, step_clip=clip)
    point = draw_point(model, Case("clip", steps=8, batch=5, ragged=ragged, carried=True), (5,))
    p, back = point.params, point.backward()
    z = point.x @ p["layers.0.W_in"] + p["layers.0.bias"]
    h = oracles.indrnn_forward(z, p["layers.0.u"], point.state[0], activation, point.lengths)
    saved = oracles.Recurrence(z, p["layers.0.u"], h, activation, point.lengths)
    g = point.d_output @ p["readout.W"].T
    g[-1] += point.d_state[0]
    dz, du, dh0 = oracles.indrnn_backward(saved, g, clip)
    assert np.allclose(back.params["layers.0.u"], du, rtol=1e-12, atol=1e-12)
    assert np.allclose(back.params["layers.0.bias"], dz.sum((0, 1)), rtol=1e-12, atol=1e-12)
    assert np.allclose(back.x, dz @ p["layers.0.W_in"].T, rtol=1e-12, atol=1e-12)
    assert np.allclose(back.state[0], dh0, rtol=1e-12, atol=1e-12)


def with_dropout(rate: float, dropout: bool = True, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(states without, states with dropout) (T, B, N), seen through a readout that passes them on."""
    model = one_layer(seq_len=6, hidden_size=50, output_size=50, readout="every", activation="tanh", dropout=rate)
    named, buffers = model.init(np.random.default_rng(0), dtype=np.float64)
    named["readout.W"][...], named["readout.bias"][...] = np.eye(50), 0.0
    named["layers.0.W_in"][...] = np.random.default_rng(1).normal(size=(4, 50))
    x = np.random.default_rng(2).normal(size=(6, 40, 4))
    context = Context(CPU, dropout=dropout, rng=np.random.default_rng(seed))
    plain = model.forward(context._replace(dropout=False), named, buffers, x)
    return plain.output, model.forward(context, named, buffers, x).output


def test_dropout_draws_one_mask_for_all_steps() -> None:
    plain, dropped = with_dropout(0.25)
    mask = dropped / plain
    assert np.allclose(mask, mask[:1], rtol=1e-12)
    assert np.allclose(np.unique(mask.round(9)), [0.0, 1 / 0.75], atol=1e-8)
    assert (mask[0] == 0).mean() == pytest.approx(0.25, abs=0.03)
    assert 0 < (mask[0, 0] == 0).mean() < 1
    assert not np.array_equal(mask[0, 0], mask[0, 1])


def test_dropout_is_off_unless_the_context_asks() -> None:
    plain, dropped = with_dropout(0.25, dropout=False)
    assert np.array_equal(plain, dropped)


def test_dropout_follows_the_generator() -> None:
    same, other = with_dropout(0.25, seed=3)[1], with_dropout(0.25, seed=4)[1]
    assert np.array_equal(with_dropout(0.25, seed=3)[1], same)
    assert not np.array_equal(same, other)


@pytest.mark.parametrize(
    ("options", "bound"),
    [({}, 2 ** (1 / 100)), ({"mag": 5.0}, 5 ** (1 / 100)), ({"u_max": 0.7, "last_u": "as-others"}, 0.7)],
    ids=["default", "mag", "explicit"],
)
def test_projection_bounds_u_and_nothing_else(options: dict, bound: float) -> None:
    model = one_layer(seq_len=100, u_bound="project", **options)
    named, buffers = model.init(np.random.default_rng(0), dtype=np.float64)
    for value in named.values():
        value[...] = 3.0
    named["layers.0.u"][...] = [-3.0, -0.5, 0.5, 3.0]
    assert model.project(named, buffers) is buffers
    assert np.allclose(named["layers.0.u"], [-bound, -0.5, 0.5, bound], rtol=1e-14)
    assert all((value == 3.0).all() for key, value in named.items() if key != "layers.0.u")


@pytest.mark.parametrize("bound", ["clip", "none"])
def test_other_bounds_leave_the_parameters(bound: str) -> None:
    model = one_layer(u_bound=bound)
    named, buffers = model.init(np.random.default_rng(0))
    named["layers.0.u"][...] = 9.0
    model.project(named, buffers)
    assert (named["layers.0.u"] == 9.0).all()


@pytest.mark.parametrize(("last", "low"), [("long", 0.5 ** (1 / 784)), ("as-others", 0.0)])
def test_u_of_the_last_layer_starts_where_it_should(last: str, low: float) -> None:
    high = 2 ** (1 / 784)
    model = one_layer(seq_len=784, layers=3, hidden_size=400, last_u=last)
    named, _ = model.init(np.random.default_rng(0), dtype=np.float64)
    first, final = named["layers.0.u"], named["layers.2.u"]
    assert 0 <= first.min() < 0.1
    assert low <= final.min() < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < final.max() <= high
