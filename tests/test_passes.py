"""What every pass promises: nothing handed in changes, caches live on, statistics, dropout and kept series."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from network_points import NAMES, counted, distance, expected, net_of, point_of

from npr import build, params, registry
from npr.backends import get_backend
from npr.context import Context
from npr.finite_difference import along, best_slope
from npr.gradcheck_cases import Case, Point, draw_point, options_for

CPU = get_backend("cpu")
CARRIED = Case("passes", steps=7, batch=20, ragged=True, carried=True)


def small(name: str, case: Case = CARRIED) -> Point:
    """A point of any registered model, in the small sizes of the gradient check."""
    return draw_point(build(name, **options_for(name, case, {})), case, (13,))


def copies(point: Point) -> list[np.ndarray]:
    arrays = [*point.variables().values(), *point.buffers.values(), point.d_output, *(point.d_state or ())]
    return [array.copy() for array in arrays]


def same(left: Any, right: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", registry.models.names())
def test_a_second_pass_repeats_the_first(name: str) -> None:
    point = small(name)
    first, second = point.backward(), point.backward()
    assert same(first.params.values(), second.params.values())
    assert same([first.x, *first.state], [second.x, *second.state])


@pytest.mark.parametrize("name", registry.models.names())
def test_nothing_handed_in_changes(name: str) -> None:
    point = small(name)
    before = copies(point)
    point.backward()
    assert same(copies(point), before)


@pytest.mark.parametrize("name", registry.models.names())
def test_a_cache_outlives_the_next_forward(name: str) -> None:
    point = small(name)
    wanted = [gradient.copy() for gradient in point.backward().params.values()]
    first = point.forward()
    output = first.output.copy()
    point._replace(x=2 * point.x).forward()
    back = point.model.backward(point.context(), point.params, first.cache, point.d_output, point.d_state)
    assert same(back.params.values(), wanted)
    assert np.array_equal(first.output, output)


@pytest.mark.parametrize("name", registry.models.names())
def test_gradients_have_the_keys_and_shapes_of_the_parameters(name: str) -> None:
    point = small(name)
    gradients = point.backward().params
    assert {k: g.shape for k, g in gradients.items()} == {k: p.shape for k, p in point.params.items()}
    assert params.flat_of(gradients).size == params.count(point.params)


@pytest.mark.parametrize("name", NAMES)
def test_only_weights_decay(name: str) -> None:
    point = small(name)
    spared = [key for key in point.params if key.endswith((".u", ".bias"))]
    assert len(spared) > 3
    assert not any(point.model.decays(key) for key in spared)
    assert all(point.model.decays(key) for key in point.params if key.endswith((".W", ".W_in")))


@pytest.mark.parametrize("weight", [None, 0.0, 0.25, 1.0])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("norm", ["time", "step"])
def test_stored_statistics_move_towards_those_of_the_batch(norm: str, ragged: bool, weight: float | None) -> None:
    case = Case("stored", steps=5, batch=7, ragged=ragged)
    point = point_of("indrnn", case, norm=norm, norm_momentum=0.3, layers=1)
    old = {key: np.random.default_rng(1).uniform(1, 2, value.shape) for key, value in point.buffers.items()}
    context = Context(CPU, norm_weight=weight)
    new = point.model.forward(context, point.params, old, point.x, None, point.lengths).buffers
    out = statistics_of(point, norm)
    pooled = np.maximum(out.n.reshape(-1, 1), 2)
    batch = {"mean": out.mean.reshape(-1, 5), "var": out.var.reshape(-1, 5) * pooled / (pooled - 1)}
    # One sequence has no variance: a step that only one reaches is left alone.
    w = (0.3 if weight is None else weight) * (out.n.reshape(-1, 1) >= 2)
    for kind, target in batch.items():
        key = f"layers.0.norm.{kind}"
        wanted = (1 - w) * old[key].reshape(-1, 5) + w * target
        assert np.allclose(new[key].reshape(-1, 5), wanted, rtol=1e-13)


def statistics_of(point: Point, norm: str) -> oracles.Normalised:
    z = point.x @ point.params["layers.0.W_in"] + point.params["layers.0.bias"]
    h0 = np.zeros(z.shape[1:])
    h = oracles.indrnn_forward(z, point.params["layers.0.u"], h0, "relu", point.lengths)[1:]
    return oracles.norm_forward(h, np.ones(5), np.zeros(5), 1e-5, norm, point.lengths)


def test_steps_that_no_sequence_reaches_leave_their_statistics() -> None:
    point = point_of("indrnn", Case("short", steps=6, batch=5), norm="step", layers=1)
    lengths = np.array([3, 2, 4, 4, 2])
    buffers = point.model.forward(
        Context(CPU, norm_weight=0.3), point.params, point.buffers, point.x, None, lengths
    ).buffers
    for key, value in buffers.items():
        assert np.array_equal(value[4:], point.buffers[key][4:]), key
        assert not np.array_equal(value[:4], point.buffers[key][:4])


@pytest.mark.parametrize(("steps", "rows"), [(4, 4), (9, 6)])
def test_step_statistics_of_other_lengths(steps: int, rows: int) -> None:
    point = point_of("indrnn", Case("other", steps=steps, batch=5), norm="step", layers=1, seq_len=6)
    context = Context(CPU, norm_weight=1.0)
    new = point.model.forward(context, point.params, point.buffers, point.x).buffers["layers.0.norm.mean"]
    assert np.allclose(new[:rows], statistics_of(point, "step").mean[:rows, 0], rtol=1e-13)
    assert np.array_equal(new[rows:], point.buffers["layers.0.norm.mean"][rows:])


def test_steps_beyond_the_table_use_its_last_row() -> None:
    case = Case("beyond", steps=5, batch=7)
    point = point_of("indrnn", case, norm="step", layers=1, seq_len=3, readout="every")
    rng = np.random.default_rng(2)
    stored = {key: rng.uniform(0.3, 2, value.shape) for key, value in point.buffers.items()}
    out = point.model.forward(Context(CPU, norm="running"), point.params, stored, point.x)
    pair = tuple(stored[f"layers.0.norm.{kind}"][[0, 1, 2, 2, 2], None] for kind in ("mean", "var"))
    assert distance(out.output, expected(point, statistics=[pair])[0]) <= 1e-12


@pytest.mark.parametrize("norm", ["time", "step"])
@pytest.mark.parametrize("position", ["after", "before"])
def test_a_large_mean_does_not_swallow_the_variance_in_float32(norm: str, position: str) -> None:
    options = {"norm": norm, "norm_position": position, "activation": "identity", "layers": 1, "hidden_size": 24}
    model = build("indrnn", input_size=1, output_size=1, seq_len=40, norm_momentum=1.0, **options)
    p, buffers = model.init(np.random.default_rng(0))
    p["layers.0.u"][:], p["layers.0.W_in"][:] = 0, 1
    x = (1000 + np.random.default_rng(1).normal(size=(40, 32, 1))).astype(np.float32)
    stored = model.forward(Context(CPU), p, buffers, x).buffers["layers.0.norm.var"]
    wanted = np.var(x.astype(float), axis=(0, 1) if norm == "time" else 1, ddof=1)
    assert np.abs(stored / wanted - 1).max() <= 1e-6


def with_stored(name: str, norm: str) -> tuple[Point, list[tuple[np.ndarray, np.ndarray]]]:
    """A point with random stored statistics, and these layer by layer as the oracle takes them."""
    case = Case("running", steps=5, batch=7, ragged=True, carried=True)
    point = point_of(name, case, norm=norm, readout="every")
    rng = np.random.default_rng(2)
    stored = {key: rng.uniform(0.3, 2, value.shape) for key, value in point.buffers.items()}
    shape = (5, 1, -1) if norm == "step" else (1, 1, -1)
    layers = range(len(point.state or ()))
    pairs = [tuple(stored[f"layers.{i}.norm.{kind}"].reshape(shape) for kind in ("mean", "var")) for i in layers]
    return point._replace(buffers=stored), pairs


@pytest.mark.parametrize("norm", ["time", "step"])
@pytest.mark.parametrize("name", NAMES)
def test_running_statistics_are_used_and_kept(name: str, norm: str) -> None:
    point, pairs = with_stored(name, norm)
    out = point.model.forward(
        Context(CPU, norm="running"), point.params, point.buffers, point.x, point.state, point.lengths
    )
    wanted, _ = expected(point, statistics=pairs)
    assert distance(counted(point, out.output), counted(point, wanted)) <= 1e-12
    assert same(out.buffers.values(), point.buffers.values())


@pytest.mark.parametrize("norm", ["time", "step"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_with_running_statistics(name: str, norm: str) -> None:
    point, _ = with_stored(name, norm)
    context = Context(CPU, norm="running")

    def forward():
        return point.model.forward(context, point.params, point.buffers, point.x, point.state, point.lengths)

    back = point.model.backward(context, point.params, forward().cache, point.d_output, point.d_state)
    key = "layers.0.u"
    direction = np.random.default_rng(3).normal(size=point.params[key].shape)

    def loss() -> float:
        out = forward()
        carried = sum((h * d).sum() for h, d in zip(out.state, point.d_state or (), strict=True))
        return float((out.output * point.d_output).sum() + carried)

    numeric = best_slope(along(loss, point.params[key], direction), loss()).value
    assert np.vdot(back.params[key], direction) == pytest.approx(numeric, rel=1e-7)


@pytest.mark.parametrize(("norm", "position"), [("time", "after"), ("time", "before"), ("none", "after")])
@pytest.mark.parametrize("name", NAMES)
def test_dropout_acts_on_every_unit_in_order_of_depth(name: str, norm: str, position: str) -> None:
    rates = {"dropout_first": 0.5, "dropout_sec": 0.5, "dropout_trans": 0.5} if name == "indrnn-dense" else {}
    case = Case("masks", steps=5, batch=7, carried=True)
    point = point_of(name, case, norm=norm, norm_position=position, dropout=0.5, readout="every", **rates)
    rng = np.random.default_rng(point.mask_seed)
    masks = [(rng.random(h.shape, dtype=np.float32) >= 0.5) / 0.5 for h in point.state or ()]
    wanted, _ = expected(point, masks=masks)
    assert distance(point.forward().output, wanted) <= 1e-12


@pytest.mark.parametrize(("norm", "position"), [("none", "after"), ("time", "before")])
def test_kept_pre_activations(norm: str, position: str) -> None:
    point = point_of("indrnn", CARRIED, layers=1, norm=norm, norm_position=position)
    p, net = point.params, net_of(point)
    z = point.x @ p["layers.0.W_in"] + p["layers.0.bias"]
    if norm == "time":
        gamma, beta = p["layers.0.norm.gamma"], p["layers.0.norm.beta"]
        z = oracles.norm_forward(z, gamma, beta, net.eps, norm, point.lengths).y
    h = oracles.indrnn_forward(z, p["layers.0.u"], point.state[0], "relu", point.lengths)
    kept = point.forward().cache.kept["layers.0.pre_activation"]
    valid = oracles.valid_steps(point.lengths, *z.shape[:2])
    assert np.abs(valid * (kept - z - p["layers.0.u"] * h[:-1])).max() <= 1e-12
