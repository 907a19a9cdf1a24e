"""Step Jacobians, growth rates and shares of steps against finite differences and explicit sums."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from inspected import MODELS, subject

from npr.errors import ConfigError
from npr.inspect import growth_rates, observe, parameter_shares, singular_values, step_jacobians
from npr.inspect.unrolled import Unrolled
from npr.params import pack

STEPPED = [(name, t) for name in MODELS for t in (1, 4)]


@pytest.mark.parametrize(("name", "t"), STEPPED)
def test_a_jacobian_is_that_of_finite_differences(name: str, t: int) -> None:
    s = subject(name)
    found = step_jacobians(s, [t], sequence=1)
    before, h = Unrolled(s).only(1).before(t), 1e-6
    assert len(found) == len(before)
    for layer, state in enumerate(before):
        got = found[f"layers.{layer}.jacobian"]
        assert got.axes == ("time", "to", "from")
        for j in range(state.shape[1]):
            ends = []
            for move in (h, -h):
                moved = [part.copy() for part in before]
                moved[layer][0, j] += move
                out = s.model.forward(s.context(), s.params, s.buffers, s.x[t : t + 1, 1:2], tuple(moved))
                ends.append(out.state[layer][0])
            np.testing.assert_allclose(got.values[0, :, j], (ends[0] - ends[1]) / (2 * h), atol=1e-8)


@pytest.mark.parametrize("name", ["rnn", "exprnn", "lstm", "gru"])
def test_all_growth_rates_together_are_that_of_the_volume(name: str) -> None:
    s = subject(name, steps=9, activation="tanh")
    J = step_jacobians(s)["layers.0.jacobian"].values
    n = J.shape[1]
    rates = growth_rates(s, count=n)["layers.0.growth"].values
    assert len(rates) == n
    np.testing.assert_allclose(rates.sum(), np.linalg.slogdet(J)[1].mean(), atol=1e-8)


def test_growth_rates_of_a_linear_network_are_known() -> None:
    s = subject("rnn", steps=40, activation="identity", layers=1)
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    s = s._replace(params=pack({**s.params, "layers.0.recurrent.W": 0.9 * Q}))
    np.testing.assert_allclose(growth_rates(s)["layers.0.growth"].values, np.log(0.9), atol=1e-8)
    D = np.diag([1.1, 0.9, 0.5, 0.2])
    s = s._replace(params=pack({**s.params, "layers.0.recurrent.W": D}), x=np.repeat(s.x, 25, axis=0))
    np.testing.assert_allclose(growth_rates(s)["layers.0.growth"].values, np.log(np.diag(D)), atol=5e-3)


def test_singular_values_are_those_of_the_matrices() -> None:
    found = step_jacobians(subject("lstm"), [2, 3])
    values = singular_values(found)["layers.1.singular_values"]
    assert values.axes == ("time", "value")
    J = found["layers.1.jacobian"].values
    np.testing.assert_allclose((values.values**2).sum(1), (J**2).sum((1, 2)), rtol=1e-12)
    assert (np.diff(values.values) <= 0).all()


CASES = [(name, ragged, every) for name in MODELS for ragged in (False, True) for every in ("last", "every")]


@pytest.mark.parametrize(("name", "ragged", "every"), CASES)
def test_shares_are_those_of_the_whole_gradient(name: str, ragged: bool, every: str) -> None:
    norm = {"norm": "time"} if name == "indrnn" else {"norm": "step"} if name == "indrnn-dense" else {}
    s = subject(name, ragged=ragged, readout=every, **norm)
    whole = observe(s.written_out()).gradients
    found = parameter_shares(s)
    assert {key.removesuffix(".share") for key in found if key.endswith(".share")} == set(whole)
    for key, g in whole.items():
        np.testing.assert_allclose(found[key + ".norm"].values, np.linalg.norm(g), rtol=1e-8, err_msg=key)
        total = found[key + ".share"].values.sum()
        assert abs(total - bool(g.any())) < 1e-8, key


@pytest.mark.parametrize("ragged", [False, True])
def test_a_step_s_gradient_is_the_product_of_state_and_delta(ragged: bool) -> None:
    s = subject("exprnn", ragged=ragged, readout="every").written_out()
    seen, found = observe(s).series, parameter_shares(s)
    delta, h = seen["layers.1.delta"].values, seen["layers.1.h"].values
    before = np.concatenate([np.zeros_like(h[:1]), h[:-1]])
    for name, left in (("recurrent.W", before), ("W_in", seen["layers.0.h"].values)):
        per_step = np.einsum("tbm,tbn->tmn", left, delta)
        wanted = np.sqrt((per_step**2).sum((1, 2)))
        np.testing.assert_allclose(found[f"layers.1.{name}.step_norm"].values, wanted, atol=1e-10)
        share = np.einsum("tmn,mn->t", per_step, per_step.sum(0)) / (per_step.sum(0) ** 2).sum()
        np.testing.assert_allclose(found[f"layers.1.{name}.share"].values, share, atol=1e-10)


@pytest.mark.parametrize(("name", "ragged"), [(name, ragged) for name in MODELS for ragged in (False, True)])
def test_shares_of_chunks_are_sums_of_those_of_steps(name: str, ragged: bool) -> None:
    s = subject(name, steps=7, ragged=ragged, readout="every", **({"norm": "step"} if name == "indrnn" else {}))
    single, together = parameter_shares(s), parameter_shares(s, chunk=3)
    for key in (key for key in single if key.endswith(".share")):
        steps = single[key].values
        np.testing.assert_allclose(together[key].values, [steps[0], steps[1:4].sum(), steps[4:].sum()], atol=1e-10)


def test_states_are_those_of_single_steps() -> None:
    s = subject("lstm", ragged=True)
    unrolled = Unrolled(s)
    state = None
    for t in range(5):
        state = s.model.forward(s.context(), s.params, s.buffers, s.x[t : t + 1], state).state
        going_on = s.ends > t
        for one, two in zip(unrolled.before(t + 1), state, strict=True):
            np.testing.assert_allclose(one[going_on], two[going_on], atol=1e-12)


def test_two_directions_have_no_steps() -> None:
    s = subject("lstm")
    both = dataclasses.replace(s.model, bidirectional=True)
    params, buffers = both.init(np.random.default_rng(0), np.float64)
    with pytest.raises(ConfigError, match="two directions"):
        step_jacobians(s._replace(model=both, params=params, buffers=buffers))


def test_a_clip_of_the_gradient_is_no_part_of_the_jacobian() -> None:
    free, clipped = subject("indrnn"), subject("indrnn", step_clip=0.01)
    for one, two in ((step_jacobians(free), step_jacobians(clipped)), (growth_rates(free), growth_rates(clipped))):
        for name, series in one.items():
            np.testing.assert_array_equal(series.values, two[name].values)
