"""Norms, saturated and dead units, verdicts and their summary, on data where the answer is known."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from inspected import MODELS, subject

from npr import registry
from npr.inspect import Series, activity, brief, norms, observe, thorough, unit_norms, verdict, verdicts
from npr.inspect.plain import finite, to_json, to_npz
from npr.inspect.summary import gradient_table, summary
from npr.params import pack

STEPS = np.arange(100)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.exp(0.1 * STEPS), "vanishing"),
        (np.exp(-0.1 * STEPS), "exploding"),
        (1 + 0.5 * np.sin(STEPS), "stable"),
        (np.zeros(100), "nothing"),
        (np.where(STEPS < 50, 0.0, 1.0), "vanishing"),
        (np.where(STEPS == 3, np.nan, 1.0), "exploding"),
    ],
)
def test_verdicts(values: np.ndarray, word: str) -> None:
    assert verdict(values).word == word


def test_a_decay_has_its_rate_and_half_life() -> None:
    found = verdict(3e-5 * 2.0 ** (STEPS / 8))
    assert abs(found.half_life - 8) < 1e-9
    assert abs(found.rate + np.log(2) / 8) < 1e-12


def test_zeros_at_the_end_are_no_verdict() -> None:
    assert verdict(np.where(STEPS < 90, 1.0, 0.0)).word == "stable"


def test_norms_are_sums_over_the_explicit_gradients() -> None:
    s = subject("indrnn", ragged=True)
    seen = observe(s)
    dh = seen.series["layers.1.dh"]
    assert dh.axes == ("time", "sequence", "unit")
    total = np.array([np.sqrt(sum(v * v for v in row.ravel())) for row in dh.values])
    np.testing.assert_allclose(norms(seen)["layers.1.dh_norm"].values, total, rtol=1e-12)
    per_unit = unit_norms(seen)["layers.1.dh_unit_norm"]
    assert per_unit.axes == ("time", "unit")
    np.testing.assert_allclose((per_unit.values**2).sum(1), total**2, rtol=1e-12)


def test_gradients_of_an_observation_are_those_of_training() -> None:
    s = subject("lstm")
    out = s.model.forward(s.context(), s.params, s.buffers, s.x)
    loss, d_output = s.loss(out.output)
    wanted = s.model.backward(s.context(), s.params, out.cache, d_output).params
    seen = observe(s)
    assert seen.loss == loss
    for name, g in wanted.items():
        np.testing.assert_allclose(seen.gradients[name], g, atol=1e-12)


def test_saturated_units_are_counted() -> None:
    s = subject("rnn", layers=1, hidden_size=4, batch=2)
    s.params["layers.0.W_in"][...] = 0
    s.params["layers.0.recurrent.W"][...] = 0
    s.params["layers.0.bias"][...] = [5, -5, 0.1, 0]
    found = activity(s, observe(s))
    np.testing.assert_allclose(found["layers.0.saturated"].values, 0.5)
    np.testing.assert_array_equal(found["layers.0.dead"].values, [0, 0, 0, 1])
    np.testing.assert_allclose(found["layers.0.silent"].values, 0.25)


def test_gates_that_are_shut_or_open_are_counted() -> None:
    s = subject("lstm", layers=1, ragged=True)
    for gate, bias in (("i", 0.0), ("f", 9.0), ("o", -9.0)):
        s.params[f"layers.0.{gate}.W_in"][...] = 0
        s.params[f"layers.0.{gate}.W_rec"][...] = 0
        s.params[f"layers.0.{gate}.bias"][...] = bias
        if f"layers.0.{gate}.bias_rec" in s.params:
            s.params[f"layers.0.{gate}.bias_rec"][...] = 0
    found = activity(s, observe(s))
    shares = {gate: found[f"layers.0.{gate}.saturated"].values.mean() for gate in "ifo"}
    assert shares == {"i": 0, "f": 1, "o": 1}


@pytest.mark.parametrize("name", MODELS)
def test_everything_has_named_axes_and_can_be_written(name: str) -> None:
    s = subject(name)
    found = thorough(s, jacobians=2, exponents=2)
    assert set(brief(s)) <= set(found)
    for key, series in found.items():
        assert isinstance(series, Series)
        assert len(series.axes) == np.ndim(series.values), key
    told = summary(found)
    assert list(told) == sorted(verdicts(found), key=lambda place: int(place.split(".")[1]))
    json.dumps({"layers": finite(told), "series": to_json(found)}, allow_nan=False)
    assert len(to_npz(found)) > 1000
    table = gradient_table(found)
    assert [norm for _, norm, _ in table] == sorted((norm for _, norm, _ in table), reverse=True)


def test_a_single_step_can_be_looked_at() -> None:
    assert "layers.0.dh_norm" in thorough(subject("gru", steps=1))


DIRECTED = [name for name in MODELS if hasattr(registry.models.get(name), "bidirectional")]


@pytest.mark.parametrize("name", DIRECTED)
def test_two_directions_are_looked_at_without_steps(name: str) -> None:
    s = subject(name, bidirectional=True)
    found = thorough(s)
    assert "layers.0.backward.dh_norm" in found
    assert not any(name.endswith((".growth", ".share")) for name in found)
    assert list(summary(found))[:2] == ["layers.0.forward.", "layers.0.backward."]


def test_sequences_of_unequal_lengths_are_judged_from_their_ends() -> None:
    s = subject("rnn", steps=60, batch=6, activation="identity", layers=1)
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    s = s._replace(params=pack({**s.params, "layers.0.recurrent.W": 0.9 * Q}))
    for lengths in (None, np.array([60, 10, 12, 15, 20, 25])):
        found = verdicts(brief(s._replace(lengths=lengths)))["layers.0."]
        assert found.word == "vanishing"
        assert abs(found.rate - np.log(0.9)) < 0.02


def test_an_identity_has_a_spectrum_too() -> None:
    s = subject("irnn", layers=1)
    s = s._replace(params=s.model.init(np.random.default_rng(0), np.float64)[0])
    np.testing.assert_allclose(brief(s)["layers.0.eigenvalues"].values, [[1, 0]] * 4)
    assert "layers.0.i.eigenvalues" not in brief(subject("lstm"))
    assert "layers.0.i.eigenvalues" in thorough(subject("lstm"))
    assert "layers.0.eigenvalues" not in thorough(subject("indrnn"))


def test_shares_say_at_which_steps_they_end() -> None:
    found = thorough(subject("rnn", steps=250, layers=1))
    at = found["share_at"].values
    assert len(at) == len(found["readout.W.share"].values) == 84
    assert at[:2].tolist() == [0, 3]
    assert at[-1] == 249


def test_an_overflow_is_told_and_stops_nothing() -> None:
    s = subject("rnn-relu", steps=300, layers=1)
    s.params["layers.0.bias"][...] = 0
    s.params["layers.0.recurrent.W"][...] = 50 * np.eye(4)
    s.params["layers.0.W_in"][...] = np.abs(s.params["layers.0.W_in"])
    s = s._replace(x=np.abs(s.x))
    with np.errstate(all="ignore"):
        found = thorough(s)
    assert verdicts(found)["layers.0."].word == "exploding"
    json.dumps({"layers": finite(summary(found)), "series": to_json(found)}, allow_nan=False)


def test_a_training_without_inspections_needs_no_linear_algebra() -> None:
    code = "import sys, npr.training; sys.exit('scipy.linalg' in sys.modules or 'matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
