"""Networks of dense recurrent layers: against the oracle, published parameter counts, initial values, settling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import oracle_dense
import oracles
import pytest

from npr import build, gradcheck, params
from npr.backends import get_backend
from npr.context import Context
from npr.errors import ConfigError
from npr.gradcheck_cases import CASES, Case, Point, draw_point
from npr.training import evaluate, fit, resolve

NAMES = ["rnn", "rnn-relu", "rnn-orth", "irnn", "exprnn", "scornn", "nnrnn"]
VARIANTS = [
    ("rnn", {"activation": "modrelu"}),
    ("rnn", {"activation": "sigmoid"}),
    ("nnrnn", {"activation": "complex-modrelu", "modrelu_init": 0.1}),
    ("rnn", {"layers": 3, "dropout": 0.3}),
    ("exprnn", {"map": "cayley"}),
    ("exprnn", {"rebase_every": 3}),
    ("exprnn", {"rebase_every": -1}),
    ("exprnn", {"activation": "relu"}),
    ("nnrnn", {"schur_mask": "paper"}),
    ("scornn", {"rho": 1}),
]


# The whole list is gone through with the defaults of every model.
FEW = [case for case in CASES if case.name in ("recurrence", "norm-before", "dropout")]


def point_of(name: str, **options: Any) -> Point:
    model = build(name, input_size=3, output_size=4, hidden_size=6, layers=2, readout="every", **options)
    return draw_point(model, Case("oracle", steps=7, batch=5, ragged=True, carried=True), (3, *name.encode()))


def matrix(point: Point, layer: int) -> np.ndarray:
    """W_rec of a layer, from the parametrisation itself: its own tests say what it must be."""
    rec = point.model.parametrization()
    theta, buffers = (params.scope(named, f"layers.{layer}.recurrent.") for named in (point.params, point.buffers))
    return rec.forward(theta, buffers)[0]


def weights(point: Point, layer: int) -> oracle_dense.Weights:
    own = params.scope(point.params, f"layers.{layer}.")
    zero = np.zeros(6)
    return oracle_dense.Weights(own["W_in"], own.get("bias", zero), matrix(point, layer), own.get("modrelu", zero))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_states_are_those_of_the_oracle(name: str) -> None:
    point = point_of(name)
    x, finals = point.x, []
    for layer in range(2):
        h, _ = oracle_dense.forward(x, weights(point, layer), point.state[layer], point.model.activation, point.lengths)
        x, finals = h[1:], [*finals, h[-1]]
    wanted = x @ point.params["readout.W"] + point.params["readout.bias"]
    valid = oracles.valid_steps(point.lengths, *x.shape[:2])
    out = point.forward()
    assert np.abs(valid * (out.output - wanted)).max() <= 1e-12
    assert max(np.abs(a - b).max() for a, b in zip(out.state, finals, strict=True)) <= 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_float32_agrees_with_float64(name: str) -> None:
    point = point_of(name)
    narrow = point._replace(
        params=params.pack(point.params, np.float32),
        x=point.x.astype(np.float32),
        state=tuple(h.astype(np.float32) for h in point.state),
    )
    wide = point.backward()
    for key, gradient in narrow.backward().params.items():
        assert gradient.dtype == np.float32
        assert np.abs(gradient - wide.params[key]).max() <= 2e-4 * max(np.abs(wide.params[key]).max(), 1e-2), key


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_gradients_of_the_options(name: str, options: dict[str, Any]) -> None:
    assert gradcheck.check(name, options, cases=FEW).passed


@pytest.mark.parametrize(
    ("name", "sizes", "options", "wanted"),
    [
        ("rnn", (10, 9, 128), {"activation": "modrelu"}, 19_081),
        ("nnrnn", (10, 9, 128), {}, 18_953),
        ("nnrnn", (1, 9, 128), {}, 17_801),
        ("exprnn", (10, 9, 176), {}, 18_929),
        ("exprnn", (1, 9, 176), {}, 17_345),
        ("nnrnn", (1, 10, 512), {}, 268_298),
        ("exprnn", (1, 10, 722), {}, 268_955),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, sizes: tuple, options: dict, wanted: int) -> None:
    # arXiv 1905.12080: "18.9K" for copying, "269K" for permuted MNIST.
    inputs, outputs, units = sizes
    named, _ = build(name, input_size=inputs, output_size=outputs, hidden_size=units, **options).init(
        np.random.default_rng(0)
    )
    assert params.count(named) == wanted


def initial(name: str, **options: Any) -> params.Params:
    model = build(name, input_size=2, output_size=3, hidden_size=40, **options)
    return model.init(np.random.default_rng(5), np.float64)[0]


def test_irnn_starts_as_the_identity() -> None:
    named = initial("irnn")
    assert np.array_equal(named["layers.0.recurrent.W"], np.eye(40))
    assert not named["layers.0.bias"].any()
    assert not named["readout.bias"].any()
    assert 0.0005 < named["layers.0.W_in"].std() < 0.002
    assert 0.0005 < named["readout.W"].std() < 0.002


def test_rnn_orth_starts_orthogonal_and_dense() -> None:
    W = initial("rnn-orth")["layers.0.recurrent.W"]
    assert np.abs(W @ W.T - np.eye(40)).max() <= 1e-12
    assert np.mean(np.abs(W) > 0.01) > 0.8


@pytest.mark.parametrize(("name", "bound"), [("exprnn", 0.01), ("scornn", 0.0)])
def test_modrelu_biases_start_in_their_range(name: str, bound: float) -> None:
    b = initial(name)["layers.0.modrelu"]
    assert np.abs(b).max() <= bound
    assert b.any() == (bound > 0)


@pytest.mark.parametrize("name", NAMES)
def test_only_matrices_that_are_free_decay(name: str) -> None:
    model = build(name, input_size=2, output_size=3, hidden_size=4)
    named, _ = model.init(np.random.default_rng(0))
    decaying = {key.removeprefix("layers.0.") for key in named if model.decays(key)}
    free = {"nnrnn": {"recurrent.T"}, "exprnn": set(), "scornn": set()}.get(name, {"recurrent.W"})
    assert decaying == {"W_in", "readout.W"} | free


@pytest.mark.parametrize(
    ("name", "wanted"), [("rnn", set()), ("exprnn", {"skew"}), ("scornn", {"skew"}), ("nnrnn", {"log_P"})]
)
def test_orthogonal_parameters_are_known(name: str, wanted: set[str]) -> None:
    model = build(name, input_size=2, output_size=3, hidden_size=4)
    named, _ = model.init(np.random.default_rng(0))
    assert {key for key in named if model.orthogonal(key)} == {f"layers.0.recurrent.{key}" for key in wanted}


def test_the_penalty_of_every_layer_counts() -> None:
    model = build("nnrnn", input_size=2, output_size=3, hidden_size=4, layers=2, gamma_penalty=0.5)
    named, _ = model.init(np.random.default_rng(0), np.float64)
    named["layers.0.recurrent.gamma"][:] = [1.5, 1.0]
    named["layers.1.recurrent.gamma"][:] = [1.0, 0.8]
    value, slopes = model.penalty(named)
    assert value == pytest.approx(0.5 * (0.25 + 0.04))
    assert np.allclose(slopes["layers.0.recurrent.gamma"], [0.5, 0])
    assert np.allclose(slopes["layers.1.recurrent.gamma"], [0, -0.2])


def test_a_rebase_moves_the_base_and_nothing_else() -> None:
    model = build("exprnn", input_size=2, output_size=3, hidden_size=4, layers=2, rebase_every=2)
    named, buffers = model.init(np.random.default_rng(0), np.float64)
    x = np.random.default_rng(1).normal(size=(5, 3, 2))
    context = Context(get_backend("cpu"))
    for _ in range(2):
        for i in range(2):
            named[f"layers.{i}.recurrent.skew"] += 0.1
        before = model.forward(context, named, buffers, x).output
        buffers = model.project(named, buffers)
        assert np.abs(model.forward(context, named, buffers, x).output - before).max() <= 1e-13
    assert not named["layers.1.recurrent.skew"].any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nnrnn", {"hidden_size": 5}, "hidden_size = 5 is not valid; nnrnn"),
        ("scornn", {"hidden_size": 4, "rho": 5}, "rho = 5"),
        ("rnn", {"hidden_size": 5, "activation": "complex-modrelu"}, "hidden_size = 5 is not valid; complex"),
        ("rnn", {"activation": "softplus"}, "activation = 'softplus'"),
        ("rnn", {"recurrent_init": "glorot"}, "recurrent_init = 'glorot'"),
        ("exprnn", {"map": "qr"}, "map = 'qr'"),
        ("exprnn", {"rebase_every": -2}, "rebase_every = -2"),
    ],
)
def test_options_that_make_no_sense_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, input_size=1, output_size=2, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(("model", "norm", "asked"), [("rnn", "", ""), ("indrnn", "running", "batch")])
def test_a_result_names_statistics_only_where_there_are_some(model: str, norm: str, asked: str, tmp_path: Path) -> None:
    sizes = {"delay": 3, "steps": 1, "hidden_size": 4, "layers": 1, "test_size": 2, "validation_size": 2}
    config = resolve({"model": model, "task": "copy", "preset": "none", **sizes})
    assert fit(config, run=tmp_path).norm == norm
    assert evaluate(tmp_path, "test", norm="batch")["norm"] == asked
