"""delta = dL/da_t and dh = dL/dh_t that a backward pass keeps: against the parameter gradients, the slopes of the
activations, and finite differences of the rest of the sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import difference_gradient

from npr import build, registry
from npr.context import Backward
from npr.gradcheck_cases import CASES, Case, Point, applies, draw_point, options_for

MODELS = registry.models.names()
KEEP = frozenset({"gradients", "h", "gates"})
BY_NAME = {case.name: case for case in CASES}


def point_of(name: str, case: Case, **options: Any) -> Point:
    return draw_point(build(name, **{**options_for(name, case, {}), **options}), case, (3, *case.name.encode()))


def keeping(point: Point) -> tuple[Backward, dict[str, np.ndarray]]:
    ctx = point.context()._replace(keep=KEEP)
    out = point.model.forward(ctx, point.params, point.buffers, point.x, point.state, point.lengths)
    back = point.model.backward(ctx, point.params, out.cache, point.d_output, point.d_state)
    return back, out.cache.kept


def before(point: Point, h: np.ndarray, state: np.ndarray | None) -> np.ndarray:
    """h_{t-1} for every row of h."""
    first = np.zeros_like(h[:1]) if state is None else state[None, :, : h.shape[2]]
    return np.concatenate([first, h[:-1]])


PAIRS = [(name, case) for name in MODELS for case in CASES if case.name != "long" and applies(name, case)]


@pytest.mark.parametrize(("name", "case"), PAIRS, ids=lambda part: getattr(part, "name", part))
def test_keeping_changes_no_gradient(name: str, case: Case) -> None:
    point = point_of(name, case)
    wanted, (got, kept) = point.backward(), keeping(point)
    for key, value in wanted.params.items():
        np.testing.assert_allclose(got.params[key], value, rtol=1e-9, atol=1e-11, err_msg=key)
    for one, two in zip((got.x, *got.state), (wanted.x, *wanted.state), strict=True):
        if two is not None:
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-11)
    layers = {key.split(".")[1] for key in point.params if key.startswith("layers.")}
    assert {key.split(".")[1] for key in kept if key.endswith(".dh")} == layers


SUMS = ("recurrence", "ragged", "norm-after", "tanh", "one-step", "both-directions", "gates", "gates-old", "gates-bare")


@pytest.mark.parametrize("name", ["rnn", "irnn", "indrnn", "indrnn-residual", "indrnn-dense", "lstm", "gru", "rrn"])
@pytest.mark.parametrize("case", SUMS)
def test_biases_and_u_are_sums_of_delta(name: str, case: str) -> None:
    point = point_of(name, BY_NAME[case])
    back, kept = keeping(point)
    found = 0
    for key, delta in kept.items():
        if not key.endswith("delta"):
            continue
        place, n = key.removesuffix("delta"), kept[key.replace("delta", "h")].shape[2]
        total = delta.sum((0, 1))
        for q, gate in enumerate({"lstm": "ifgo", "rrn": "ifgo", "gru": "rzn"}.get(name, "")):
            found += 1
            np.testing.assert_allclose(total[q * n : (q + 1) * n], back.params[f"{place}{gate}.bias"], atol=1e-11)
        if place + "bias" in back.params:
            found += 1
            np.testing.assert_allclose(total, back.params[place + "bias"], atol=1e-11)
        if place + "u" in back.params:
            found += 1
            state = None if point.state is None else point.state[int(place.split(".")[1])]
            along = (delta * before(point, kept[place + "h"], state)).sum((0, 1))
            np.testing.assert_allclose(along, back.params[place + "u"], atol=1e-11)
    assert found


@pytest.mark.parametrize("name", ["rnn", "exprnn", "nnrnn", "scornn", "rnn-orth", "indrnn", "indrnn-residual"])
@pytest.mark.parametrize(
    "case", ["recurrence", "ragged", "norm-after", "norm-before", "norm-steps", "dropout", "embedding"]
)
def test_delta_is_the_slope_of_tanh_times_dh(name: str, case: str) -> None:
    point = point_of(name, BY_NAME[case], activation="tanh")
    _, kept = keeping(point)
    for key in [key for key in kept if key.endswith("dh")]:
        slope = 1 - kept[key[:-2] + "h"] ** 2
        np.testing.assert_allclose(slope * kept[key], kept[key[:-2] + "delta"], atol=1e-11)
        assert np.abs(kept[key]).max() > 1e-6


@pytest.mark.parametrize("name", ["lstm", "gru", "rrn"])
@pytest.mark.parametrize("case", ["recurrence", "ragged", "gates", "gates-old", "gates-after", "both-ends"])
def test_a_gate_shows_dh(name: str, case: str) -> None:
    bare = {"peephole": False} if name == "lstm" else {}
    point = point_of(name, BY_NAME[case], **bare)
    _, kept = keeping(point)
    for key in [key for key in kept if key.endswith(".dh")]:
        place, dh = key[:-2], kept[key]
        n = dh.shape[2]
        delta = kept[place + "delta"]
        if name == "gru":
            z, new = kept[place + "z"], kept[place + "n"]
            weight = 1 - z if point.model.update == "old" else z
            if point.lengths is not None:
                assert not z[np.arange(len(z))[:, None] >= point.lengths].any()
            by_n = dh * weight * (1 - new**2)
            np.testing.assert_allclose(by_n, delta[..., 2 * n :], atol=1e-11)
        else:
            o, c = kept[place + "o"], kept[place + "c"]
            np.testing.assert_allclose(dh * np.tanh(c) * o * (1 - o), delta[..., 3 * n :], atol=1e-11)
            i, g = kept[place + "i"], kept[place + "g"]
            np.testing.assert_allclose(kept[place + "dc"] * g * i * (1 - i), delta[..., :n], atol=1e-11)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("t", [1, 4])
def test_dh_is_the_derivative_of_the_rest_of_the_sequence(name: str, t: int) -> None:
    case = Case("rest", {"norm": "none", "readout": "last", "layers": 2}, steps=6, batch=3, carried=True)
    point = point_of(name, case)
    _, kept = keeping(point)
    ctx = point.context()
    begin = point.model.forward(ctx, point.params, point.buffers, point.x[:t], point.state)
    rest = point._replace(x=point.x[t:], state=begin.state)
    top = len(begin.state) - 1

    def loss(h: np.ndarray) -> float:
        return float(rest._replace(state=(*begin.state[:top], h)).terms().sum())

    wanted = difference_gradient(loss, begin.state[top])
    got = kept[max((key for key in kept if key.endswith(".dh")), key=lambda key: int(key.split(".")[1]))][t - 1]
    n = got.shape[1]
    np.testing.assert_allclose(got, wanted[:, :n], rtol=1e-6, atol=1e-8)
