"""ResRNN against the oracle: any size, lengths, own and given initial state, both precisions; and what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import oracle_resrnn
import oracles
import pytest
import tiny_mnist
from network_points import distance, in_float32

from npr import build, params
from npr.backends import get_backend
from npr.context import Context
from npr.data import known
from npr.errors import ConfigError
from npr.gradcheck_cases import Case, Point, draw_point
from npr.training import fit, resolve

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
SIZES = [(2, 3, 5), (1, 10, 20), (3, 1, 1), (2, 7, 6), (5, 4, 33), (1, 2, 130)]  # input, output, hidden
PUBLISHED = 0.99999


def point_of(case: Case, sizes: tuple[int, int, int] = (2, 3, 5), **options: Any) -> Point:
    named = dict(zip(("input_size", "output_size", "hidden_size"), sizes, strict=True))
    return draw_point(build("resrnn", **{**named, "linearity": 0.7, **options}), case, (5, case.steps, *sizes))


def own(point: Point) -> params.Params:
    return params.scope(point.params, "layers.0.")


def expected(point: Point, variables: dict[str, np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Output and last state by the oracle, for other variables where given."""
    at = variables or point.variables()
    model, lengths = point.model, point.lengths
    outputs, last = oracle_resrnn.forward(
        params.scope(at, "layers.0."), at["x"], model.output_size, model.linearity, at.get("state.0"), lengths
    )
    if model.readout == "every":
        return outputs, last
    steps, batch = at["x"].shape[:2]
    ends = np.full(batch, steps) if lengths is None else lengths
    return outputs[ends - 1, np.arange(batch)], last


def assert_forward_agrees(point: Point, dtype: str = "float64") -> None:
    out = (in_float32(point) if dtype == "float32" else point).forward()
    wanted = expected(point)
    assert out.output.dtype == dtype
    assert distance(out.output, wanted[0]) <= TOLERANCE[dtype]
    assert distance(out.state[0], wanted[1]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("carried", [False, True], ids=["own", "given"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("readout", ["last", "every"])
def test_outputs_and_states_are_those_of_the_oracle(readout: str, ragged: bool, carried: bool, dtype: str) -> None:
    case = Case("forward", steps=9, batch=7, ragged=ragged, carried=carried)
    assert_forward_agrees(point_of(case, readout=readout), dtype)


@pytest.mark.parametrize("batch", [1, 3, 21])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_forward_of_any_size(sizes: tuple[int, int, int], batch: int) -> None:
    assert_forward_agrees(point_of(Case("sizes", steps=9, batch=batch, ragged=True), sizes, readout="every"))


@pytest.mark.parametrize("carried", [False, True], ids=["own", "given"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("readout", ["last", "every"])
def test_gradients_are_those_of_the_oracle(readout: str, ragged: bool, carried: bool) -> None:
    point = point_of(Case("backward", steps=6, batch=5, ragged=ragged, carried=carried), readout=readout)
    for key, (got, wanted) in compared(point).items():
        assert distance(got, wanted) <= 1e-12, key


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradients_of_any_size(sizes: tuple[int, int, int]) -> None:
    point = point_of(Case("backward", steps=40, batch=9, ragged=True), sizes)
    direction = np.random.default_rng(4)
    for key, gradient in gradients(point).items():
        v = direction.normal(size=gradient.shape)
        assert np.vdot(gradient, v) == pytest.approx(slope(point, key, v), rel=1e-9, abs=1e-12), key


def gradients(point: Point) -> dict[str, np.ndarray]:
    back = point.backward()
    states = {"state.0": back.state[0]} if point.state else {}
    return {**back.params, "x": back.x, **states}


def loss(point: Point, variables: dict[str, np.ndarray]) -> complex:
    output, last = expected(point, variables)
    return (output * point.d_output).sum() + (0 if point.d_state is None else (last * point.d_state[0]).sum())


def slope(point: Point, key: str, v: np.ndarray) -> float:
    """Exact derivative of the loss along v in one variable."""
    at = point.variables()
    moved = oracles.complex_gradient(lambda s: loss(point, {**at, key: at[key] + s[0] * v}), np.zeros(1))
    return float(moved[0])


def compared(point: Point) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Gradients of the network and of the oracle, by variable."""
    at = point.variables()
    return {
        key: (got, oracles.complex_gradient(lambda a, key=key: loss(point, {**at, key: a}), at[key]))
        for key, got in gradients(point).items()
    }


def test_the_own_initial_state_learns_only_where_it_is_used() -> None:
    alone, given = (point_of(Case("start", carried=carried)) for carried in (False, True))
    assert gradients(alone)["layers.0.s0"].all()
    assert not gradients(given)["layers.0.s0"].any()


def test_a_given_state_is_not_scaled_and_the_own_one_is() -> None:
    point = point_of(Case("scale", steps=1), linearity=PUBLISHED)
    start = own(point)["s0"]
    alone = point.forward()
    given = point._replace(state=(np.tile((1 - PUBLISHED) * start, (4, 1)),)).forward()
    assert np.array_equal(given.output, alone.output)


@pytest.mark.parametrize("carried", [False, True], ids=["own", "given"])
def test_float32_agrees_with_float64(carried: bool) -> None:
    point = point_of(Case("narrow", steps=60, batch=11, ragged=True, carried=carried), (2, 3, 33), linearity=PUBLISHED)
    # Weights as long training leaves them: then the block adds as much as the skip carries.
    for name in ("W1", "W2"):
        own(point)[name][...] *= 30
    wide, narrow = gradients(point), gradients(in_float32(point))
    assert distance(in_float32(point).forward().output, point.forward().output) <= 1e-5
    for key, gradient in wide.items():
        assert narrow[key].dtype == np.float32
        assert np.linalg.norm(narrow[key] - gradient) <= 1e-5 * np.linalg.norm(gradient), key


def test_the_small_weight_is_computed_in_double() -> None:
    model = build("resrnn", input_size=1, output_size=2, hidden_size=4, linearity=PUBLISHED)
    named, buffers = model.init(np.random.default_rng(0))
    for value in named.values():
        value[...] = 0
    named["layers.0.b2"][...] = 1
    out = model.forward(Context(get_backend("cpu")), named, buffers, np.zeros((1, 1, 1), np.float32))
    assert out.output[0, 0] == pytest.approx(1e-5, rel=1e-6)


def test_without_the_block_inputs_move_right_and_fade() -> None:
    point = point_of(Case("shift", steps=6, batch=1), (2, 1, 7), linearity=0.9)
    for name, value in own(point).items():
        value[...] = 1.0 if name == "s0" else 0.0
    steps = point.x[:, 0]
    wanted = np.concatenate([steps[5] * 0.9, steps[4] * 0.9**2, steps[3] * 0.9**3, steps[2, :1] * 0.9**4])
    assert point.forward().state[0][0] == pytest.approx(wanted, rel=1e-12)


def test_two_chunks_with_carried_state_are_one_pass() -> None:
    point = point_of(Case("chunks", steps=9), readout="every")
    whole = point.forward()
    first = point._replace(x=point.x[:4]).forward()
    second = point._replace(x=point.x[4:], state=first.state).forward()
    assert np.array_equal(np.concatenate([first.output, second.output]), whole.output)
    assert np.array_equal(second.state[0], whole.state[0])


def test_steps_behind_the_end_do_not_count() -> None:
    point = point_of(Case("tail", steps=7, batch=5, ragged=True, carried=True))
    valid = oracles.valid_steps(point.lengths, *point.x.shape[:2])
    noisy = point._replace(x=np.where(valid > 0, point.x, 1e3))
    for key, gradient in gradients(point).items():
        assert np.array_equal(gradients(noisy)[key], gradient), key
    assert not ((1 - valid) * gradients(point)["x"]).any()


def test_bits_do_not_depend_on_threads() -> None:
    point = in_float32(point_of(Case("threads", steps=50, batch=40, ragged=True), (2, 3, 20)))
    point = point._replace(d_output=point.d_output.astype(np.float32))
    found = []
    for threads in (1, 2):
        context = Context(get_backend("cpu", threads=threads))
        out = point.model.forward(context, point.params, point.buffers, point.x, None, point.lengths)
        back = point.model.backward(context, point.params, out.cache, point.d_output)
        found.append([out.output, back.x, *back.state, *back.params.values()])
    assert all(np.array_equal(one, two) for one, two in zip(*found, strict=True))


def test_initial_values_are_the_published_ones() -> None:
    model = build("resrnn", input_size=1, output_size=10)
    named, _ = model.init(np.random.default_rng(0))
    assert params.count(named) == 81_404
    bounds = {name.removeprefix("layers.0."): float(np.abs(value).max()) for name, value in named.items()}
    assert bounds["s0"] == bounds["b1"] == bounds["b2"] == 0
    assert bounds["W1"] == pytest.approx(np.sqrt(6 / 402), rel=1e-3)
    assert bounds["W2"] == pytest.approx(np.sqrt(6 / 201), rel=1e-3)
    assert [name for name in named if model.decays(name)] == ["layers.0.W1", "layers.0.W2"]


def test_outputs_that_do_not_fit_into_the_stream_are_refused() -> None:
    with pytest.raises(ConfigError, match="hidden_size = 5 is not valid"):
        build("resrnn", input_size=1, output_size=7, hidden_size=5)


@pytest.mark.parametrize("linearity", [-0.1, 1.0, float("nan")])
def test_a_skip_weight_outside_its_range_is_refused(linearity: float) -> None:
    with pytest.raises(ConfigError, match="linearity"):
        build("resrnn", input_size=1, output_size=2, linearity=linearity)


def test_digits_are_learnt_as_one_hot_vectors_and_counted_by_the_largest_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(known.SETS, "mnist", tiny_mnist.described(tiny_mnist.write(tmp_path)))
    recipe = {"optimizer": "sgd", "momentum": 0.9, "lr": 1e4, "clip_norm": 1e-4, "loss": "smooth-l1"}
    sizes = {"split": "tail:40", "hidden_size": 12, "batch_size": 20, "steps": 2}
    where = {"data": "mnist", "data_dir": str(tmp_path)}
    chosen = resolve(
        {"model": "resrnn", "task": "smnist", "preset": "none", "pixels": "unit", **recipe, **sizes, **where}
    )
    scores = fit(chosen, run=tmp_path / "run").validation
    assert 0 <= scores["accuracy"] <= 1
    # Ten outputs near 0 against one 1 and nine 0: 0.05, when cross-entropy would give 2.3.
    assert 0.02 < scores["loss"] < 0.3
