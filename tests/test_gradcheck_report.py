"""What the gradient check says: a wrong entry is found where it is, and the chart shows every parameter and case."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from test_gradcheck import FULL, Gradients, Reference

from npr import gradcheck, registry
from npr.errors import StorageError
from npr.gradcheck_cases import CASES
from npr.gradcheck_plot import draw, table
from npr.gradcheck_report import CaseResult, Checked, Report

SIZE = 1e-3


def planted(name: str, index: tuple[int, ...], size: float = SIZE):
    def fault(grads: Gradients) -> None:
        grads[name][index] += size

    return fault


def report_of(fault, entries: bool = True) -> Report:
    return Report("reference", (gradcheck.check_case(Reference(fault), FULL, entries=entries),))


@pytest.mark.parametrize(
    ("name", "index"),
    [("W_in", (1, 2)), ("u", (3,)), ("bias", (0,)), ("readout.W", (3, 2)), ("x", (4, 2, 1)), ("state.0", (2, 0))],
)
def test_a_wrong_entry_is_found_where_it_is(name: str, index: tuple[int, ...]) -> None:
    report = report_of(planted(name, index))
    wrong = [checked for checked in report.parameters if not checked.passed]
    assert [(checked.name, checked.index, checked.case) for checked in wrong] == [(name, index, "full")]
    assert wrong[0].analytic - wrong[0].numeric == pytest.approx(SIZE, rel=1e-4)
    assert f"'{name}' in reference" in report.fault
    assert f"case 'full', at [{', '.join(map(str, index))}]: analytic {wrong[0].analytic:.9g}, numeric" in report.fault


@pytest.mark.parametrize("layer", [0, 1])
def test_a_wrong_entry_of_a_registered_model_is_found(monkeypatch: pytest.MonkeyPatch, layer: int) -> None:
    model = registry.models.get("indrnn")
    right = model.backward

    def wrong(self, *args):
        found = right(self, *args)
        found.params[f"layers.{layer}.W_in"][1, 3] -= SIZE
        return found

    monkeypatch.setattr(model, "backward", wrong)
    case = next(case for case in CASES if case.name == "norm-after")
    report = gradcheck.check("indrnn", cases=[case])
    found = [(checked.name, checked.index) for checked in report.parameters if not checked.passed]
    assert found == [(f"layers.{layer}.W_in", (1, 3))]


def test_a_right_gradient_has_no_fault_and_a_place_for_every_tensor() -> None:
    report = report_of(lambda grads: None)
    assert report.fault == ""
    assert all(len(checked.index or ()) == len(checked.shape) for checked in report.parameters)
    assert all(checked.analytic == pytest.approx(checked.numeric, abs=1e-6) for checked in report.parameters)


def test_an_entry_that_is_no_number_is_worse_than_any_other() -> None:
    def fault(grads: Gradients) -> None:
        grads["bias"][1], grads["bias"][2] = 1e9, np.nan

    found = next(checked for checked in report_of(fault).parameters if checked.name == "bias")
    assert (found.index, found.rel_error) == ((2,), math.inf)
    row = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (row["index"], row["analytic"], row["rel_error"]) == ([2], None, None)


def test_a_direction_has_no_index() -> None:
    report = report_of(planted("u", (3,)), entries=False)
    assert {checked.index for checked in report.parameters} == {None}
    assert "'u' in reference" in report.fault
    assert "along a random direction: analytic" in report.fault


@pytest.mark.parametrize("seed", range(3))
def test_of_a_large_tensor_no_right_entry_is_blamed(seed: int) -> None:
    index = (1, 77)
    result = gradcheck.check_case(Reference(planted("W_in", index, 1.0), hidden_size=90), FULL, seed)
    found = next(checked for checked in result.checked if checked.name == "W_in")
    assert not found.passed
    assert found.index in (index, None)


@pytest.mark.parametrize(
    ("errors", "case"),
    [
        ({"a": (1e-9, True), "b": (1e-8, True)}, "b"),
        ({"a": (1e-9, True), "b": (1e-8, False)}, "a"),
        ({"a": (1e-9, True), "b": (1e-3, False)}, "b"),
        ({"a": (1e-4, True), "b": (1e-3, False)}, "a"),
        ({"a": (1e-9, False), "b": (1e-8, False)}, "b"),
    ],
)
def test_the_entry_is_from_the_worst_case_that_has_one_with_the_same_verdict(errors: dict, case: str) -> None:
    cases = [
        CaseResult(name, 0, (Checked("u", (2,), error, (1,) if located else None, case=name),))
        for name, (error, located) in errors.items()
    ]
    found = Report("reference", tuple(cases)).parameters[0]
    assert (found.case, found.rel_error) == (case, max(error for error, _ in errors.values()))


def two_cases() -> Report:
    first = CaseResult("first", 0, (Checked("u", (2,), 1e-9), Checked("W_in", (2, 2), 2e-3)))
    return Report(
        "reference", (first, CaseResult("second", 0, (Checked("x", (1,), 0.0), Checked("u", (2,), math.inf))))
    )


def test_the_table_has_a_gap_where_a_case_lacks_a_name() -> None:
    names, cases, errors = table(two_cases())
    assert (names, cases) == (["u", "W_in", "x"], ["first", "second"])
    assert np.array_equal(errors, [[1e-9, math.inf], [2e-3, math.nan], [math.nan, 0.0]], equal_nan=True)


def test_the_chart_names_everything_and_frames_what_is_wrong(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw(two_cases(), tmp_path / name)
    chart = (tmp_path / "one.svg").read_text(encoding="utf-8")
    assert all(f">{text}</text>" in chart for text in ("u", "W_in", "x", "first", "second"))
    assert "FAILED" in chart
    assert "tolerance" in chart
    frames = chart.count("stroke-width: 1.5; stroke-linejoin: miter")
    assert frames == 2
    assert (tmp_path / "two.svg").read_bytes() == (tmp_path / "one.svg").read_bytes()


def test_a_chart_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "chart.png").mkdir()
    with pytest.raises(StorageError, match=r"chart\.png"):
        draw(two_cases(), tmp_path / "chart.png")
