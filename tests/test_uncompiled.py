"""The kernels as plain Python (NUMBA_DISABLE_JIT) compute what the compiled ones do: readable code, one formula."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

PROGRAM = """
import json, sys
import numpy as np
import npr
from npr.backends import get_backend
from npr.context import Context

options = json.loads(sys.argv[1])
model = npr.build(input_size=2, output_size=3, hidden_size=5, **options)
rng = np.random.default_rng(0)
params, buffers = model.init(rng, np.float64)
x = rng.standard_normal((4, 3, 2))
ctx = Context(get_backend("cpu"))
out = model.forward(ctx, params, buffers, x)
grads = model.backward(ctx, params, out.cache, np.ones((3, 3))).params
print(json.dumps({"output": out.output.tolist()} | {name: value.tolist() for name, value in grads.items()}))
"""


def _run(options: dict, uncompiled: bool, program: str = PROGRAM) -> dict:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": str(int(uncompiled))}
    command = [sys.executable, "-c", program, json.dumps(options)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("norm", ["none", "time", "step"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_plain_python_agrees_with_the_compiled_kernels(norm: str, activation: str) -> None:
    assert_agreement({"name": "indrnn", "layers": 2, "norm": norm, "activation": activation})


def test_the_shifted_stream_agrees_too() -> None:
    assert_agreement({"name": "resrnn", "linearity": 0.7})


@pytest.mark.parametrize(
    "options",
    [
        {"name": "rnn"},
        {"name": "lstm", "peephole": True},
        {"name": "gru"},
        {"name": "gru", "reset": "before"},
        {"name": "rrn", "bidirectional": True, "widths": "3"},
    ],
)
def test_layers_of_cells_agree_too(options: dict) -> None:
    assert_agreement(options)


def assert_agreement(options: dict) -> None:
    plain, compiled = (_run(options, uncompiled) for uncompiled in (True, False))
    assert plain.keys() == compiled.keys()
    for name, value in compiled.items():
        np.testing.assert_allclose(plain[name], value, atol=1e-9 * (1 + np.abs(value).max()), err_msg=name)


def test_plain_python_agrees_for_symbols() -> None:
    program = PROGRAM.replace("x = rng.standard_normal((4, 3, 2))", "x = rng.integers(0, 2, (4, 3))")
    options = {"name": "indrnn", "norm": "none", "embedding_size": 3, "embedding_init": "uniform-0.1"}
    plain, compiled = (_run(options, uncompiled, program) for uncompiled in (True, False))
    assert np.abs(compiled["embedding.W"]).max() > 0
    for name, value in compiled.items():
        np.testing.assert_allclose(plain[name], value, atol=1e-12, err_msg=name)
