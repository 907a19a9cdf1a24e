"""EURNN against complex matrices, unitarity, gradients, bad options."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle_eurnn
import pytest

from npr import build, gradcheck, params
from npr.backends import get_backend
from npr.context import Context
from npr.errors import ConfigError
from npr.gradcheck_cases import CASES, Case, Point, draw_point

STYLES: list[dict[str, Any]] = [
    {"rotations": "tunable", "capacity": 2},
    {"rotations": "tunable", "capacity": 4},
    {"rotations": "tunable", "capacity": 8},
    {"rotations": "fft"},
    {"rotations": "tunable", "capacity": 4, "field": "real"},
    {"rotations": "fft", "field": "real"},
]
N = 8
# The whole list is gone through with the defaults.
FEW = [case for case in CASES if case.name in ("recurrence", "norm-before", "dropout")]


def point_of(style: dict[str, Any], **sizes: Any) -> Point:
    model = build(
        "eurnn", **{"input_size": 3, "output_size": 4, "hidden_size": N, "readout": "every", **style, **sizes}
    )
    return draw_point(model, Case("eurnn", steps=7, batch=5, ragged=True, carried=True), (1,))


def papers(x: np.ndarray, style: dict[str, Any]) -> np.ndarray:
    """Units in the paper's order; ours puts the even ones first in the tunable style."""
    if style["rotations"] == "fft":
        return x
    out = np.empty_like(x)
    out[..., 0::2], out[..., 1::2] = x[..., : N // 2], x[..., N // 2 :]
    return out


def as_complex(x: np.ndarray, style: dict[str, Any]) -> np.ndarray:
    if x.shape[-1] == N:
        return papers(x, style) + 0j
    return papers(x[..., :N], style) + 1j * papers(x[..., N:], style)


def unitary(own: params.Params, style: dict[str, Any]) -> np.ndarray:
    zeros = {key.replace("theta", "phi"): np.zeros_like(value) for key, value in own.items()}
    own = {**zeros, "omega": np.zeros(N), **own}
    omega = papers(own["omega"], style)
    if style["rotations"] == "fft":
        return oracle_eurnn.fft(own["theta"], own["phi"], omega)
    pairs = [(own[f"{kind}_even"], own[f"{kind}_odd"]) for kind in ("theta", "phi")]
    return oracle_eurnn.tunable(*pairs, omega)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_outputs_and_states_are_those_of_complex_matrices(style: dict[str, Any]) -> None:
    point = point_of(style)
    real = style.get("field") == "real"
    own = params.scope(point.params, "layers.0.")
    h = oracle_eurnn.forward(
        point.x, as_complex(own["W_in"], style), unitary(own, style), papers(own["modrelu"], style),
        as_complex(point.state[0], style), real, point.lengths,
    )  # fmt: skip
    out = point.forward()
    assert np.abs(as_complex(out.state[0], style) - h[-1]).max() <= 1e-13
    W = point.params["readout.W"]
    wanted = h[1:].real @ (papers(W.T, style).T) + point.params["readout.bias"]
    valid = np.arange(7)[:, None] < point.lengths
    assert np.abs((out.output - wanted)[valid]).max() <= 1e-12


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_rotations_keep_the_norm(style: dict[str, Any]) -> None:
    own = params.scope(point_of(style).params, "layers.0.")
    W = unitary(own, style)
    assert np.abs(W @ W.conj().T - np.eye(N)).max() <= 1e-13


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_gradients(style: dict[str, Any]) -> None:
    assert gradcheck.check("eurnn", {"hidden_size": N, **style}, cases=FEW).passed


def test_gradients_of_two_layers_with_dropout() -> None:
    assert gradcheck.check("eurnn", {"hidden_size": 4, "layers": 2, "dropout": 0.3}, cases=FEW).passed


@pytest.mark.parametrize("units", [4, 6, 34, 130])
@pytest.mark.parametrize("batch", [1, 9, 40])
def test_float32_agrees_with_float64(units: int, batch: int) -> None:
    model = build("eurnn", input_size=2, output_size=3, hidden_size=units, capacity=2)
    point = draw_point(model, Case("float32", steps=30, batch=batch), (2,))
    narrow = point._replace(params=params.pack(point.params, np.float32), x=point.x.astype(np.float32))
    wide = point.backward()
    for key, gradient in narrow.backward().params.items():
        assert np.abs(gradient - wide.params[key]).max() <= 1e-4 * max(np.abs(wide.params[key]).max(), 1e-2), key


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        # 2 D n of U, n of modReLU, L/2 (n - 1) each of theta and phi, n of omega, readout.
        ({"hidden_size": 128}, 20 * 128 + 128 + 2 * 2 * 127 + 128 + 129 * 9),
        ({"hidden_size": 128, "rotations": "fft"}, 20 * 128 + 128 + 2 * 7 * 64 + 128 + 129 * 9),
        ({"hidden_size": 128, "field": "real"}, 10 * 128 + 128 + 2 * 127 + 129 * 9),
    ],
)
def test_parameter_counts(options: dict[str, Any], wanted: int) -> None:
    named, _ = build("eurnn", input_size=10, output_size=9, **options).init(np.random.default_rng(0))
    assert params.count(named) == wanted


def test_initial_values() -> None:
    named, _ = build("eurnn", input_size=10, output_size=9).init(np.random.default_rng(0), np.float64)
    for key in ("theta_even", "theta_odd", "phi_even", "phi_odd", "omega"):
        assert 3.0 < np.abs(named[f"layers.0.{key}"]).max() <= 3.14
    assert np.abs(named["layers.0.W_in"]).max() <= 0.01
    assert not named["layers.0.modrelu"].any()


def test_a_zero_pre_activation_has_no_direction() -> None:
    model = build("eurnn", input_size=1, output_size=2, hidden_size=4)
    named, buffers = model.init(np.random.default_rng(0), np.float64)
    named["layers.0.modrelu"][:] = 0.5
    context = Context(get_backend("cpu"))
    out = model.forward(context, named, buffers, np.zeros((3, 2, 1)))
    grads = model.backward(context, named, out.cache, np.ones((2, 2))).params
    assert all(np.isfinite(value).all() for value in grads.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 3}, "capacity = 3"),
        ({"capacity": 0}, "capacity = 0"),
        ({"capacity": 10}, "capacity = 10"),
        ({"hidden_size": 7}, "hidden_size = 7 must be even"),
        ({"hidden_size": 12, "rotations": "fft"}, "power of two"),
        ({"rotations": "butterfly"}, "rotations = 'butterfly'"),
        ({"field": "quaternion"}, "field = 'quaternion'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build("eurnn", **{"input_size": 1, "output_size": 2, "hidden_size": 8, **options})
    assert message in str(caught.value)
