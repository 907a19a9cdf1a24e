"""The gradient check: right gradients pass, each broken one fails, kinks are handled as promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest

from npr import gradcheck, params, registry
from npr.context import Backward, Forward
from npr.errors import CheckFailed, ConfigError
from npr.gradcheck_cases import CASES, Case, applies, draw_point, shortened
from npr.gradcheck_report import Checked

Gradients = dict[str, np.ndarray]


class Cache(NamedTuple):
    saved: oracles.Recurrence
    x: np.ndarray
    kept: dict[str, np.ndarray]


def unchanged(grads: Gradients) -> None:
    pass


@dataclass(frozen=True)
class Reference:
    """One IndRNN layer and a readout at every step, made of the oracles; `fault` spoils its gradients."""

    fault: Callable[[Gradients], None] = unchanged
    hidden_size: int = 4
    input_size: int = 2
    output_size: int = 3
    seq_len: int = 6
    tells: bool = True
    offset: float = 0.0

    def init(self, rng, dtype=np.float32):
        n = self.hidden_size
        named = {"W_in": (self.input_size, n), "bias": (n,), "u": (n,), "readout.W": (n, self.output_size)}
        return params.pack({k: np.full(shape, 0.5) for k, shape in named.items()}, dtype), {}

    def forward(self, ctx, p, buffers, x, state=None, lengths=None) -> Forward:
        z = x @ p["W_in"] + p["bias"]
        h0 = np.zeros(z.shape[1:]) if state is None else state[0]
        h = oracles.indrnn_forward(z, p["u"], h0, "relu", lengths)
        kept = {"pre_activation": z + p["u"] * h[:-1] + self.offset} if self.tells else {}
        cache = Cache(oracles.Recurrence(z, p["u"], h, "relu", lengths), x, kept)
        return Forward(h[1:] @ p["readout.W"], (h[-1],), buffers, cache)

    def project(self, p, buffers) -> dict:
        np.clip(p["u"], -1.0, 1.0, out=p["u"])
        return buffers

    def backward(self, ctx, p, cache, d_output, d_state=None) -> Backward:
        g = d_output @ p["readout.W"].T
        if d_state is not None:
            g[-1] += d_state[0]
        dz, du, dh0 = oracles.indrnn_backward(cache.saved, g)
        grads = {
            "W_in": np.einsum("tbi,tbn->in", cache.x, dz),
            "bias": dz.sum((0, 1)),
            "u": du,
            "readout.W": np.einsum("tbn,tbk->nk", cache.saved.h[1:], d_output),
            "x": dz @ p["W_in"].T,
            "state.0": dh0,
        }
        self.fault(grads)
        x, state = grads.pop("x"), (grads.pop("state.0"),)
        return Backward(grads, x, state)


def scaled(name: str, by: float) -> Callable[[Gradients], None]:
    def fault(grads: Gradients) -> None:
        grads[name] *= by

    return fault


def one_entry(grads: Gradients) -> None:
    grads["W_in"][1, 2] += 1e-3


def first_step(grads: Gradients) -> None:
    grads["x"][0] = 0.0


def swapped(grads: Gradients) -> None:
    grads["u"], grads["bias"] = grads["bias"], grads["u"]


def not_a_number(grads: Gradients) -> None:
    grads["bias"][0] = np.nan


FULL = Case("full", steps=6, batch=3, ragged=True, carried=True, entries=True)
FAULTS = {
    "W_in": scaled("W_in", 1.00001),
    "u": scaled("u", 1.00001),
    "x": scaled("x", -1.0),
    "state.0": scaled("state.0", 1.001),
    "one entry": one_entry,
    "first step": first_step,
    "swapped": swapped,
    "not a number": not_a_number,
}


@pytest.mark.parametrize("carried", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("tells", [False, True])
def test_right_gradients_pass(tells: bool, ragged: bool, carried: bool) -> None:
    result = gradcheck.check_case(Reference(tells=tells), replace(FULL, ragged=ragged, carried=carried))
    assert result.max_rel_error < 1e-7
    wanted = ["W_in", "bias", "u", "readout.W", "x"] + ["state.0"] * carried
    assert [entry.name for entry in result.checked] == wanted


@pytest.mark.parametrize("entries", [False, True], ids=["direction", "entries"])
@pytest.mark.parametrize("fault", FAULTS)
def test_broken_gradients_fail(fault: str, entries: bool) -> None:
    result = gradcheck.check_case(Reference(FAULTS[fault]), FULL, entries=entries)
    assert not gradcheck.Report("reference", (result,)).passed


def test_large_tensors_are_sampled() -> None:
    model, calls = Reference(hidden_size=200), []

    class Counting(Reference):
        def forward(self, *arguments: Any, **named: Any) -> Forward:
            calls.append(1)
            return model.forward(*arguments, **named)

    gradcheck.check_case(Counting(hidden_size=200), replace(FULL, steps=2))
    assert len(calls) < 6 * (gradcheck.MAX_ENTRIES + 1) * 5


def test_only_the_broken_parameter_is_blamed() -> None:
    result = gradcheck.check_case(Reference(scaled("u", 1.01)), FULL)
    assert [entry.name for entry in result.checked if entry.rel_error > gradcheck.TOLERANCE] == ["u"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [(lambda grads: grads.pop("u"), "u.*missing"), (lambda grads: grads.update(u=np.zeros(9)), r"u.*\(9,\)")],
)
def test_gradients_of_the_wrong_form_are_named(fault, message: str) -> None:
    with pytest.raises(CheckFailed, match=message):
        gradcheck.check_case(Reference(fault), FULL)


def test_points_near_a_kink_are_redrawn_five_times_only() -> None:
    class OnTheKink(Reference):
        def forward(self, *arguments: Any, **named: Any) -> Forward:
            out = super().forward(*arguments, **named)
            out.cache.kept["pre_activation"][0, 0] = 1e-5
            return out

    assert gradcheck.check_case(OnTheKink(), FULL, entries=False).redraws == gradcheck.REDRAWS


def test_a_steady_point_is_used_at_once() -> None:
    assert gradcheck.check_case(Reference(), FULL, entries=False).redraws == 0


def test_steps_behind_the_end_of_a_sequence_are_no_kinks() -> None:
    point = draw_point(Reference(), FULL, (3,))
    model = point.model

    class ZeroPadded(Reference):
        def forward(self, *arguments: Any, **named: Any) -> Forward:
            out = super().forward(*arguments, **named)
            out.cache.kept["pre_activation"][np.arange(FULL.steps)[:, None] >= point.lengths] = 0.0
            return out

    assert point._replace(model=ZeroPadded()).margin() == point._replace(model=model).margin()


def test_every_parameter_is_moved_off_its_initial_value() -> None:
    point = draw_point(Reference(), FULL, (1,))
    assert all((value != 0.5).all() for value in point.params.values())


def test_points_lie_in_the_constraint_set() -> None:
    u = [draw_point(Reference(hidden_size=50), FULL, (seed,)).params["u"] for seed in range(3)]
    assert np.abs(u).max() == 1.0


@pytest.mark.parametrize(("hidden_size", "steps"), [(4, 200), (50, 50), (2000, 4)])
def test_wide_models_are_checked_over_fewer_steps(hidden_size: int, steps: int) -> None:
    case = Case("long", steps=200, batch=2)
    assert shortened(Reference(hidden_size=hidden_size), case).steps == steps


@dataclass(frozen=True)
class Disturbed(Reference):
    """The reference with something added to its output."""

    disturb: Callable[[np.ndarray], Any] = np.zeros_like

    def forward(self, ctx, p, buffers, x, state=None, lengths=None) -> Forward:
        out = super().forward(ctx, p, buffers, x, state, lengths)
        return out._replace(output=out.output + self.disturb(out.output))


def test_noise_is_what_the_last_digits_do() -> None:
    rounded, exact = (
        draw_point(model, FULL, (4,)) for model in (Disturbed(disturb=lambda y: (y + 1e4) - 1e4 - y), Reference())
    )
    least = np.finfo(float).eps * np.abs(exact.terms()).sum()
    assert exact.noise() < 3 * least
    assert rounded.noise() > 30 * least


def test_a_forward_that_does_not_repeat_fails() -> None:
    rng = np.random.default_rng(0)
    result = gradcheck.check_case(Disturbed(disturb=lambda y: 1e-6 * rng.normal(size=y.shape)), FULL)
    assert result.max_rel_error > 1e-3


def test_draws_repeat() -> None:
    first, second = (draw_point(Reference(), FULL, (7,)) for _ in range(2))
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.params["u"], second.params["u"])


def test_report_keeps_the_worst_case_of_each_name() -> None:
    results = [
        gradcheck.CaseResult("a", 0, (Checked("u", (2,), 1e-9, case="a"), Checked("x", (1,), 1e-3, None, 1, 2, "a"))),
        gradcheck.CaseResult("b", 1, (Checked("u", (3,), 1e-8, (2,), 0.5, 0.25, "b"),)),
    ]
    report = gradcheck.Report("reference", tuple(results))
    assert not report.passed
    assert json.loads(json.dumps(report.to_dict())) == {
        "model": "reference",
        "max_rel_error": 1e-3,
        "parameters": [
            {"name": "u", "shape": [3], "rel_error": 1e-8, "case": "b", "index": [2], "analytic": 0.5, "numeric": 0.25},
            {"name": "x", "shape": [1], "rel_error": 1e-3, "case": "a", "index": None, "analytic": 1.0, "numeric": 2.0},
        ],
    }


def test_an_infinite_error_is_valid_json_and_no_pass() -> None:
    report = gradcheck.Report("reference", (gradcheck.check_case(Reference(not_a_number), FULL),))
    assert not report.passed
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["max_rel_error"] is None


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name in registry.models.names() for case in CASES if applies(name, case)],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_registered_models_pass(name: str, case: Case) -> None:
    report = gradcheck.check(name, cases=[case])
    assert report.max_rel_error <= 1e-6, [entry for entry in report.parameters if not entry.rel_error <= 1e-6]


@pytest.mark.parametrize("name", registry.models.names())
def test_the_options_of_the_caller_win(name: str) -> None:
    report = gradcheck.check(name, {"input_size": 7}, cases=CASES[:1], entries=False)
    assert next(entry.shape for entry in report.parameters if entry.name == "x")[-1] == 7


def test_a_clipped_recurrence_is_refused() -> None:
    with pytest.raises(ConfigError, match="step_clip"):
        gradcheck.check("indrnn", {"step_clip": 1.0}, cases=CASES[:1])
