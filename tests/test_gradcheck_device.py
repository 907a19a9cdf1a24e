"""The gradient check with both passes on a device, simulated where there is none."""

from __future__ import annotations

import functools
import json
import sys

import pytest

from npr import build, gradcheck
from npr.backends import get_backend
from npr.backends.simulated import DeviceArray
from npr.gradcheck_cases import CASES, draw_point, options_for
from npr.kernels import product
from npr.kernels.cuda_target import target
from npr_cli.main import main

FEW = [case for case in CASES if case.name in ("recurrence", "one-step")]


@pytest.fixture
def few(monkeypatch):
    """Two cases for the command, which has no option for that."""
    monkeypatch.setattr(gradcheck, "check", functools.partial(gradcheck.check, cases=FEW))


@pytest.mark.parametrize("name", ["indrnn", "exprnn"])
def test_right_gradients_pass(name):
    report = gradcheck.check(name, cases=FEW, entries=False, device="cuda")
    assert report.passed, report.fault
    assert report.to_dict()["device"] == "cuda"


def test_a_fault_of_the_device_alone_is_found(monkeypatch):
    monkeypatch.setattr(product, "multiply_transposed", lambda a, b, out: None)
    assert gradcheck.check("indrnn", cases=FEW[:1], entries=False).passed
    report = gradcheck.check("indrnn", cases=FEW[:1], entries=False, device="cuda")
    assert {checked.name for checked in report.parameters if not checked.passed} == {"layers.0.W_in"}
    assert "Gradient of 'layers.0.W_in' in indrnn on cuda is off" in report.fault


def test_both_passes_are_those_of_the_device():
    model = build("exprnn", **options_for("exprnn", FEW[0], {}))
    point = draw_point(model, FEW[0], (1,))._replace(backend=get_backend("cuda"))
    assert isinstance(point.forward().output, DeviceArray)
    assert all(isinstance(gradient, DeviceArray) for gradient in point.backward().params.values())


def test_the_document_names_a_device_and_not_the_cpu(few, capsys):
    found = {}
    for device in ("cpu", "cuda"):
        assert main(["gradcheck", "--model", "indrnn", "--directional", "--device", device, "--json"]) == 0
        found[device] = json.loads(capsys.readouterr().out)
    assert list(found["cpu"]) == ["model", "max_rel_error", "parameters"]
    assert found["cuda"].pop("device") == "cuda"
    assert found["cuda"].keys() == found["cpu"].keys()
    names = [[row["name"] for row in document["parameters"]] for document in found.values()]
    assert names[0] == names[1]


def test_the_verdict_names_a_device(few, capsys):
    assert main(["gradcheck", "--model", "indrnn", "--directional", "--device", "cuda"]) == 0
    assert "indrnn on cuda passed: 2 cases" in capsys.readouterr().out


def test_without_a_device_the_exit_code_is_8(monkeypatch, capsys):
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM")
    for package in ("numba_cuda", "numba_cuda_mlir"):
        monkeypatch.setitem(sys.modules, package, None)
    target.cache_clear()
    assert main(["gradcheck", "--model", "indrnn", "--device", "cuda"]) == 8
    assert "No compiler for CUDA kernels" in capsys.readouterr().err
    target.cache_clear()
