"""LSTM and GRU networks against the oracle: every option and size, chunks, threads, NaN, kept series."""

from __future__ import annotations

import numpy as np
import oracle_gated as oracle
import oracles
import pytest
from gated_points import VARIANTS, Sizes, expected, found, net_of, passed_by_oracle, point_of, wide
from network_points import distance, in_float32

from npr import params
from npr.backends import get_backend
from npr.context import Context
from npr.gradcheck_cases import Point

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
SIZES = [
    Sizes(1, 1, 1, 1, 1),
    Sizes(2, 3, 1, 2, 3),
    Sizes(17, 10, 4, 16, 1),
    Sizes(40, 21, 2, 33, 2),
    Sizes(6, 33, 19, 7, 3),
    Sizes(5, 17, 3, 130, 1),
    Sizes(300, 4, 2, 6, 2),
]


def assert_agrees(point: Point, dtype: str = "float64") -> None:
    given = in_float32(point) if dtype == "float32" else point
    got, wanted = found(given), expected(wide(given))
    assert got.keys() == wanted.keys()
    # A single gradient behind the slope 1 - g^2 of a saturated gate may be small and no more than rounding.
    scales = {name: max(np.abs(value).max(), 1e-2) for name, value in wanted.items()}
    errors = {name: np.abs(got[name] - value).max() / scales[name] for name, value in wanted.items()}
    assert all(got[name].shape == value.shape for name, value in wanted.items())
    assert {array.dtype for array in got.values()} == {np.dtype(dtype)}
    assert max(errors.values()) <= TOLERANCE[dtype], errors


@pytest.mark.parametrize("variant", VARIANTS)
def test_backward_of_the_oracle_is_the_derivative_of_its_forward(variant: str) -> None:
    point = point_of(variant, Sizes(5, 4, 2, 3, 2), dropout=0.4)
    rng, wanted = np.random.default_rng(4), expected(point)
    variables = point.variables()
    for name, value in variables.items():
        v = rng.normal(size=value.shape)

        def loss(s: np.ndarray, name: str = name, v: np.ndarray = v) -> complex:
            moved = {key: a + s[0] * v if key == name else a for key, a in variables.items()}
            starts = [moved[f"state.{i}"] for i in range(2)]
            passed = oracle.forward(moved, moved["x"], starts, net_of(point))
            carried = sum((h * d).sum() for h, d in zip(passed.finals, point.d_state, strict=True))
            return (passed.output * point.d_output).sum() + carried

        slope = oracles.complex_gradient(loss, np.zeros(1))[0]
        assert np.vdot(wanted[f"d {name}"], v) == pytest.approx(slope, rel=1e-10, abs=1e-12), name


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_option(variant: str, readout: str, ragged: bool, dtype: str) -> None:
    assert_agrees(point_of(variant, ragged=ragged, readout=readout), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "x".join(map(str, sizes)))
@pytest.mark.parametrize("variant", ["lstm-both", "gru", "gru-before-new"])
def test_every_size(variant: str, sizes: Sizes, dtype: str) -> None:
    assert_agrees(point_of(variant, sizes), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_dropout_between_layers_and_before_the_readout(variant: str, readout: str, dtype: str) -> None:
    point = point_of(variant, Sizes(layers=3), dropout=0.5, readout=readout)
    assert not np.array_equal(net_of(point).masks[0], net_of(point).masks[1])
    assert_agrees(point, dtype)


@pytest.mark.parametrize("variant", VARIANTS)
def test_without_a_state_it_starts_at_zero(variant: str) -> None:
    assert_agrees(point_of(variant, carried=False))


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_chunks_with_carried_state_are_one_pass(variant: str) -> None:
    point = point_of(variant, ragged=False)
    whole, back = point.forward(), point.backward()
    first = point._replace(x=point.x[:4], d_output=point.d_output[:4])
    second = point._replace(x=point.x[4:], d_output=point.d_output[4:], state=first.forward().state)
    late = second.backward()
    early = first._replace(d_state=late.state).backward()
    joined = np.concatenate([first.forward().output, second.forward().output])
    assert distance(joined, whole.output) <= 1e-13
    for key, gradient in back.params.items():
        assert distance(early.params[key] + late.params[key], gradient) <= 1e-12, key


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_and_two_threads_give_the_same_bits(variant: str) -> None:
    point = in_float32(point_of(variant, Sizes(20, 35, 3, 19, 2)))
    results = []
    for threads in (1, 2):
        context = Context(get_backend("cpu", threads))
        out = point.model.forward(context, point.params, point.buffers, point.x, point.state, point.lengths)
        back = point.model.backward(context, point.params, out.cache, point.d_output, point.d_state)
        results.append([out.output, *out.state, params.flat_of(back.params), back.x, *back.state])
    assert all(np.array_equal(one, two) for one, two in zip(*results, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pass_that_met_nan_leaves_no_trace(variant: str) -> None:
    point = point_of(variant, Sizes(batch=21))
    backend = get_backend("cpu")

    def gradients(x: np.ndarray) -> np.ndarray:
        context = Context(backend)
        out = point.model.forward(context, point.params, point.buffers, x, point.state, point.lengths)
        back = point.model.backward(context, point.params, out.cache, point.d_output, point.d_state)
        return np.concatenate([params.flat_of(back.params), back.x.ravel()])

    clean = gradients(point.x)
    assert np.isnan(gradients(np.full_like(point.x, np.nan))).any()
    assert np.array_equal(gradients(point.x), clean)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_nan_stays_visible_and_in_its_sequence(variant: str) -> None:
    point = point_of(variant, ragged=False)
    point.x[2, 4, 1] = np.nan
    output = point.forward().output
    assert np.isnan(output[2:, 4]).all()
    assert np.isfinite(np.delete(output, 4, axis=1)).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_kept_series_are_those_of_the_oracle(variant: str) -> None:
    point = point_of(variant, dropout=0.5)
    context = point.context()._replace(keep=frozenset({"gates", "h"}))
    kept = point.model.forward(context, point.params, {}, point.x, point.state, point.lengths).cache.kept
    wanted = {
        f"layers.{i}.{name}": series
        for i, run in enumerate(passed_by_oracle(point).runs)
        for name, series in run.series.items()
    }
    assert kept.keys() == wanted.keys() | {f"layers.{i}.h" for i in range(len(passed_by_oracle(point).runs))}
    valid = oracles.valid_steps(point.lengths, *point.x.shape[:2])
    for name, series in wanted.items():
        assert np.abs(valid * (kept[name] - series)).max() <= 1e-12, name


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_no_series_is_kept_unless_asked_for(name: str) -> None:
    assert point_of(name).forward().cache.kept == {}


@pytest.mark.parametrize(("name", "wrong"), [("lstm", (7, 5)), ("gru", (7, 10))])
def test_a_state_of_a_wrong_width_is_refused(name: str, wrong: tuple[int, int]) -> None:
    point = point_of(name, Sizes(layers=1))
    with pytest.raises(ValueError, match=r"^state must"):
        point._replace(state=(np.zeros(wrong),)).forward()
