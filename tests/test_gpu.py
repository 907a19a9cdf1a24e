"""On a real CUDA device only: real sizes against the CPU, the same bits in every run, a run that trains.

NUMBA_ENABLE_CUDASIM=0 pytest -m gpu tests/test_gpu.py
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_cuda_models import agree, ran
from test_expm import draw
from watching import rows

from npr import gradcheck, registry
from npr.backends import get_backend
from npr.errors import BackendError
from npr.gradcheck_cases import Case, draw_point
from npr.kernels import resident
from npr.kernels.spread import spread_for
from npr.parametrizations import placed
from npr.parametrizations.maps import MAPS
from npr.training import fit, resolve

# A kernel that waits for ever holds the main thread, which then hears no signal.
pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300, method="thread")]
SIZES = {"input_size": 8, "output_size": 10, "hidden_size": 128}
MODELS = {
    "indrnn": {"layers": 6, "seq_len": 200},
    "indrnn-residual": {"blocks": 2, "seq_len": 200},
    "rnn": {},
    "exprnn": {},
    "nnrnn": {},
    "eurnn": {"capacity": 4},
    "lstm": {"layers": 2},
    "gru": {"layers": 2},
    "resrnn": {},
}
OPTIMIZERS = [{"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adam"}]
CASE = Case("real", steps=int(os.environ.get("NPR_GPU_STEPS", "200")), batch=32, ragged=True)


@pytest.fixture(scope="module")
def cuda():
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        pytest.skip("needs an NVIDIA device: NUMBA_ENABLE_CUDASIM=0 pytest -m gpu tests/test_gpu.py")
    try:
        return get_backend("cuda")
    except BackendError as error:
        pytest.skip(f"needs an NVIDIA device: {error}")


def have_the_same_bits(one, *others):
    """Compare what `ran` gives in several runs."""
    for other in others:
        for key, value in one.items():
            np.testing.assert_array_equal(other[key], value, err_msg=key)


def _point(name):
    return draw_point(registry.models.get(name)(**SIZES, **MODELS[name]), CASE, (7,))


@pytest.mark.parametrize("name", MODELS)
def test_real_sizes_agree_with_the_cpu(cuda, name):
    point = _point(name)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-9)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_units_spread_over_blocks_agree_with_the_cpu(cuda, name, gates, monkeypatch):
    if not spread_for(cuda.xp, gates, CASE.batch, 160, np.dtype(np.float64)):
        pytest.skip(f"{cuda.target.name} gives a block of this device too little shared memory")
    monkeypatch.setattr(resident, "fits", lambda xp, n, dtype: False)
    point = draw_point(registry.models.get(name)(**{**SIZES, "hidden_size": 160}), CASE, (8,))
    found = [ran(cuda, point, np.float64) for _ in range(3)]
    agree(found[0], ran(get_backend("cpu"), point, np.float64), 1e-9)
    have_the_same_bits(*found)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
@pytest.mark.parametrize(("units", "batch"), [(512, 128), (1024, 32)])
def test_many_units_spread_over_a_whole_device(cuda, name, gates, units, batch):
    """Several tiles of sequences to a group, sources in parts, more than a hundred blocks."""
    if not spread_for(cuda.xp, gates, batch, units, np.dtype(np.float32)):
        pytest.skip("this device cannot hold so large a matrix")
    case = dataclasses.replace(CASE, batch=batch, steps=20)
    point = draw_point(registry.models.get(name)(**{**SIZES, "hidden_size": units}), case, (9,))
    found = [ran(cuda, point, np.float32) for _ in range(3)]
    agree(found[0], ran(get_backend("cpu"), point, np.float32), 5e-4)
    have_the_same_bits(*found)


def test_a_block_can_have_more_shared_memory_than_every_block_has(cuda):
    assert cuda.target.shared_bytes(cuda.xp) > 48 * 1024


@pytest.mark.parametrize("name", MODELS)
def test_two_runs_have_the_same_bits(cuda, name):
    point = _point(name)
    have_the_same_bits(ran(cuda, point, np.float32), ran(cuda, point, np.float32))


@pytest.mark.parametrize("name", registry.models.names())
def test_gradients_of_every_model(cuda, name):
    report = gradcheck.check(name, entries=False, device="cuda")
    assert report.passed, report.fault


@pytest.mark.parametrize("norm", [1.0, 50.0, 1000.0])
@pytest.mark.parametrize("n", [512, 771])
@pytest.mark.parametrize("name", MAPS)
def test_the_maps_of_many_units_agree_with_the_host(cuda, name, n, norm):
    A, G = draw(n, norm)
    W, cache = MAPS[name]["host"].forward(A)
    V, kept = MAPS[name]["device"].forward(cuda.put(A))
    np.testing.assert_allclose(V.get(), W, rtol=0, atol=1e-11)
    F, E = MAPS[name]["host"].backward(cache, G), MAPS[name]["device"].backward(kept, cuda.put(G)).get()
    np.testing.assert_allclose(E - E.T, F - F.T, rtol=0, atol=1e-11 * np.abs(F).max())


@pytest.mark.parametrize("name", ["exprnn", "scornn", "nnrnn"])
def test_matrices_of_many_units_stay_on_the_device(cuda, name, monkeypatch):
    point = draw_point(registry.models.get(name)(**SIZES | {"hidden_size": 512}), CASE, (7,))
    wanted = ran(get_backend("cpu"), point, np.float64)
    monkeypatch.setattr(placed, "host", lambda x: pytest.fail("went to the host"))
    agree(ran(cuda, point, np.float64), wanted, 1e-9)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["indrnn", "exprnn", "lstm"])
def test_a_run_has_the_losses_of_the_cpu(cuda, name, optimizer, tmp_path):
    sizes = {"hidden_size": 64, "batch_size": 16, "seq_len": 50, "validation_size": 32, "test_size": 32}
    flags = {"model": name, "task": "adding", "preset": "none", "steps": 5, "log_every": 1, "lr": 1e-3}
    for device in ("cpu", "cuda"):
        fit(resolve({**flags, **sizes, **optimizer, "device": device}), run=tmp_path / device)
    wanted, found = rows(tmp_path / "cpu"), rows(tmp_path / "cuda")
    assert [row["loss"] for row in found] == pytest.approx([row["loss"] for row in wanted], rel=1e-3)


@pytest.mark.timeout(900, method="thread")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
def test_compute_sanitizer_finds_nothing(cuda, tool):
    """Every kernel at sizes with threads to spare: no access out of bounds, no race, no barrier that some miss."""
    program = shutil.which("compute-sanitizer")
    if not program:
        pytest.skip("needs compute-sanitizer of the CUDA toolkit on the PATH")
    launch = [sys.executable, "-c", "from ptx_of_kernels import launch_all; launch_all()"]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    # CuPy and cuda-core ask for attributes that not every driver has, and expect to be refused.
    options = ["--report-api-errors", "no", "--error-exitcode", "9"]
    command = [program, "--tool", tool, *options, *launch]
    done = subprocess.run(command, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
