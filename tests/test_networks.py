"""The three IndRNN networks against the oracles: outputs, states, gradients, parameter counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from network_points import NAMES, ORACLES, counted, distance, expected, in_float32, net_of, point_of

from npr import build, params, registry
from npr.errors import ConfigError
from npr.gradcheck_cases import Case, Point

NORMS = [("none", "after"), ("time", "after"), ("time", "before"), ("step", "after"), ("step", "before")]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
# The variance over one or two rows is so small that float32 cannot hold 1e-5: there four rows never end.
LENGTHS = (np.array([7, 2, 5, 1, 6, 4]), np.array([7, 2, 7, 7, 5, 7]))


def assert_forward_agrees(point: Point, dtype: str, times: float = 1.0, **changes: Any) -> None:
    wanted, finals = expected(point, **changes)
    tolerance = times * TOLERANCE[dtype]
    out = (in_float32(point) if dtype == "float32" else point).forward()
    assert out.output.dtype == dtype
    assert distance(counted(point, out.output), counted(point, wanted)) <= tolerance
    assert len(out.state) == len(finals)
    assert max(map(distance, out.state, finals)) <= tolerance


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize(("norm", "position"), NORMS)
@pytest.mark.parametrize("name", NAMES)
def test_forward_with_every_norm(name: str, norm: str, position: str, ragged: bool, dtype: str) -> None:
    case = Case("norms", steps=7, batch=6, carried=True)
    point = point_of(name, case, norm=norm, norm_position=position, readout="every")
    lengths = LENGTHS[norm == "step" and dtype == "float32"] if ragged else None
    assert_forward_agrees(point._replace(lengths=lengths), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("batch", [1, 3, 10, 33])
@pytest.mark.parametrize("size", [1, 5, 17, 33, 130])
@pytest.mark.parametrize("name", ["indrnn", "indrnn-residual"])
def test_forward_of_any_size(name: str, size: int, batch: int, dtype: str) -> None:
    point = point_of(name, Case("sizes", steps=9, batch=batch, ragged=True), hidden_size=size, input_size=size)
    # This point multiplies rounding by forty, compared with those of other sizes: 5e-6 to 12e-6 with the order of sums.
    assert_forward_agrees(point, dtype, 2.0 if (name, size, batch) == ("indrnn-residual", 1, 33) else 1.0)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("batch", [1, 10, 33])
@pytest.mark.parametrize("growth", [1, 5, 17])
def test_dense_forward_of_any_size(growth: int, batch: int, dtype: str) -> None:
    point = point_of("indrnn-dense", Case("sizes", steps=9, batch=batch), growth=growth, input_size=1)
    assert_forward_agrees(point, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("name", NAMES)
def test_long_sequences(name: str, ragged: bool, dtype: str) -> None:
    case = Case("long", steps=331, batch=19, ragged=ragged, carried=True)
    assert_forward_agrees(point_of(name, case, readout="every"), dtype)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_long_sequences(name: str) -> None:
    case = Case("long", steps=331, batch=19, ragged=True, carried=True)
    point = point_of(name, case, activation="tanh", readout="every")
    back = point.backward()
    gradients = {**back.params, "x": back.x}
    for key in ("x", "layers.0.u", "layers.0.norm.gamma", "readout.W"):
        direction = np.random.default_rng(6).normal(size=gradients[key].shape)
        wanted = directional(point, key, direction)
        assert np.vdot(gradients[key], direction) == pytest.approx(wanted, rel=1e-9), key


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", sorted(oracles.ACTIVATIONS))
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("name", NAMES)
def test_forward_with_every_activation(name: str, readout: str, activation: str, dtype: str) -> None:
    point = point_of(name, Case("act", steps=5, ragged=True), activation=activation, readout=readout)
    assert_forward_agrees(point, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", NAMES)
def test_in_graph_clip(name: str, dtype: str) -> None:
    point = point_of(name, Case("clip", carried=True), u_bound="clip", u_max=0.4, last_u="as-others")
    assert any((np.abs(value) > 0.4).any() for key, value in point.params.items() if key.endswith(".u"))
    assert_forward_agrees(point, dtype, bounds=(0.0, 0.4))


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("blocks", ["1", "2,1", "1,1,2"])
def test_dense_without_its_last_transition(blocks: str, readout: str) -> None:
    case = Case("untransitioned", batch=5, ragged=True, carried=True)
    point = point_of("indrnn-dense", case, blocks=blocks, last_transition=False, readout=readout)
    assert_forward_agrees(point, "float64")
    direction = np.random.default_rng(5).normal(size=point.params["readout.W"].shape)
    wanted = directional(point, "readout.W", direction)
    assert np.vdot(point.backward().params["readout.W"], direction) == pytest.approx(wanted, rel=1e-9)


# As language models have them: a last layer of the embedding's size, and dense blocks that read the embedding.
LAST = {"indrnn-residual": {"last_size": 3}, "indrnn-dense": {"last_size": 3, "first_layer": False}}


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize(("norm", "position"), NORMS)
@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in NAMES), *LAST.items()],
    ids=[*NAMES, *(f"{name}-last" for name in LAST)],
)
def test_gradients_are_those_of_the_oracle(name: str, options: dict, norm: str, position: str, ragged: bool) -> None:
    case = Case("gradients", steps=6, batch=7, ragged=ragged, carried=True)
    point = point_of(name, case, norm=norm, norm_position=position, readout="every", **options)
    assert_forward_agrees(point, "float64")
    assert any(".second." in key for key in point.params) == (bool(options) and norm != "none" and position == "before")
    back = point.backward()
    gradients = {**back.params, "x": back.x, **{f"state.{i}": g for i, g in enumerate(back.state)}}
    rng = np.random.default_rng(12)
    direction = {key: rng.normal(size=value.shape) for key, value in point.variables().items()}
    for key, v in direction.items():
        wanted = directional(point, key, v)
        assert np.vdot(gradients[key], v) == pytest.approx(wanted, rel=1e-9, abs=1e-9), key


def directional(point: Point, key: str, v: np.ndarray) -> float:
    """Exact derivative of the loss of `point` along v in the variable `key`, from the oracle."""

    def loss(s: np.ndarray) -> complex:
        moved = {k: a + s[0] * v if k == key else a for k, a in point.variables().items()}
        state = tuple(moved[f"state.{i}"] for i in range(len(point.state or ())))
        name = next(n for n in NAMES if type(point.model) is registry.models.get(n))
        output, finals = ORACLES[name](moved, moved["x"], net_of(point, states=state), point.model)
        states = zip(finals, point.d_state or (), strict=True)
        return (output * point.d_output).sum() + sum((h * d).sum() for h, d in states)

    return float(oracles.complex_gradient(loss, np.zeros(1))[0])


@pytest.mark.parametrize("size", [5, 33, 130])
@pytest.mark.parametrize("name", ["indrnn", "indrnn-residual"])
def test_gradients_in_float32_are_those_in_float64(name: str, size: int) -> None:
    point = point_of(name, Case("single", steps=8, batch=11, ragged=True, carried=True), hidden_size=size)
    wide, narrow = point.backward(), in_float32(point).backward()
    for key, gradient in wide.params.items():
        assert narrow.params[key].dtype == np.float32
        scale = max(np.abs(gradient).max(), 1e-3)
        assert np.abs(narrow.params[key] - gradient).max() <= 1e-4 * scale, key


@pytest.mark.parametrize("name", NAMES)
def test_two_chunks_with_carried_state_are_one_pass(name: str) -> None:
    point = point_of(name, Case("chunks", steps=9, carried=True), norm="none", readout="every")
    whole = point.forward()
    first = point._replace(x=point.x[:4]).forward()
    second = point._replace(x=point.x[4:], state=first.state).forward()
    assert distance(np.concatenate([first.output, second.output]), whole.output) <= 1e-13
    assert max(map(distance, second.state, whole.state)) <= 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_two_chunks_add_up_to_those_of_one_pass(name: str) -> None:
    point = point_of(name, Case("chunks", steps=9, carried=True), norm="none", readout="every")
    whole = point.backward()
    first = point._replace(x=point.x[:4], d_output=point.d_output[:4])
    late = point._replace(x=point.x[4:], state=first.forward().state, d_output=point.d_output[4:]).backward()
    early = first._replace(d_state=late.state).backward()
    assert distance(np.concatenate([early.x, late.x]), whole.x) <= 1e-12
    assert max(map(distance, early.state, whole.state)) <= 1e-12
    for key, gradient in whole.params.items():
        assert distance(early.params[key] + late.params[key], gradient) <= 1e-11, key


@pytest.mark.parametrize("name", NAMES)
def test_sequences_of_a_batch_do_not_meet(name: str) -> None:
    point = point_of(name, Case("apart", batch=5, ragged=True), norm="none")
    alone = point._replace(x=np.ascontiguousarray(point.x[:, 1:2]), lengths=point.lengths[1:2])
    assert distance(alone.forward().output, point.forward().output[1:2]) <= 1e-13


@pytest.mark.parametrize("name", NAMES)
def test_steps_behind_the_end_do_not_count(name: str) -> None:
    point = point_of(name, Case("tail", batch=5, ragged=True), norm="time")
    noisy = np.where(oracles.valid_steps(point.lengths, *point.x.shape[:2]) > 0, point.x, 1e3)
    assert np.array_equal(point._replace(x=noisy).forward().output, point.forward().output)
    assert np.abs(counted(point, point.backward().x) - point.backward().x).max() == 0


@pytest.mark.parametrize(
    ("argument", "shape"),
    [("x", (9, 4, 2)), ("state", (3, 5)), ("d_output", (4, 3)), ("d_output", (9, 4, 4)), ("d_state", (3, 5))],
)
def test_arrays_of_a_wrong_shape_are_refused_by_name(argument: str, shape: tuple[int, ...]) -> None:
    point = point_of("indrnn", Case("shapes", steps=9, carried=True), layers=1)
    array = np.zeros(shape)
    with pytest.raises(ValueError, match=rf"^{argument} must"):
        point._replace(**{argument: (array,) if argument.endswith("state") else array}).backward()


def test_a_last_size_without_a_last_transition_is_refused() -> None:
    with pytest.raises(ConfigError, match="last_size = 7: there is no last transition"):
        build("indrnn-dense", input_size=1, output_size=2, last_transition=False, last_size=7)


@pytest.mark.parametrize("blocks", ["", "8,,4", "8,x", "0", (8, 6, 4), 8])
def test_blocks_that_say_no_sizes_are_refused(blocks: Any) -> None:
    with pytest.raises(ConfigError, match="give numbers of layers such as '8,6,4'"):
        build("indrnn-dense", input_size=1, output_size=2, blocks=blocks)


WORDS = {"embedding_size": 600, "tied": True, "readout": "every", "norm": "step", "norm_position": "before"}


@pytest.mark.parametrize(
    ("name", "task", "options", "wanted"),
    [
        ("indrnn", (1, 10), {"hidden_size": 128, "layers": 6}, 86_410),
        ("indrnn", (1, 10), {"hidden_size": 128, "layers": 12}, 187_786),
        ("indrnn-residual", (1, 10), {"hidden_size": 128, "blocks": 5}, 170_890),
        ("indrnn-dense", (1, 10), {"growth": 16, "blocks": "8,6,4"}, 256_514),
        ("indrnn", (150, 60), {"hidden_size": 512, "layers": 6}, 1_430_588),
        ("indrnn-residual", (150, 60), {"hidden_size": 512, "blocks": 5}, 2_751_548),
        ("indrnn-dense", (150, 60), {"growth": 48, "blocks": "8,6,4"}, 2_314_428),
        (
            "indrnn-dense",
            (10_000, 10_000),
            {**WORDS, "growth": 256, "first_layer": False, "last_size": 600},
            51_655_712,
        ),
        ("indrnn-residual", (10_000, 10_000), {**WORDS, "hidden_size": 2000, "last_size": 600}, 48_501_600),
    ],
)
def test_parameter_counts_are_the_published_ones(name: str, task: tuple, options: dict, wanted: int) -> None:
    model = build(name, input_size=task[0], output_size=task[1], seq_len=20, **options)
    named, _ = model.init(np.random.default_rng(0))
    assert params.count(named) == wanted
