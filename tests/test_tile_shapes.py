"""Every tile that some host chooses gives NumPy's product here too, at sizes that are no multiples of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import llvmlite.binding as llvm
import numpy as np
import pytest

from npr.kernels import vector

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import tile_targets

HOSTS = {"AVX-512": (64, 32), "AVX2": (32, 16), "NEON": (16, 32), "SSE": (16, 16)}
# `test_tile.py` has the tile of this host.
OTHERS = [name for name, kind in HOSTS.items() if kind != (vector.VECTOR_BYTES, vector.REGISTERS)]
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}
# Rows of C: 31 uses tiles of every height, 16 and 8 are halved, 14 leaves 8 behind 6.
SIZES = [(31, 9, 77), (16, 5, 33), (14, 31, 64), (8, 14, 15), (15, 8, 1), (5, 16, 130)]
ENVIRONMENTS = {
    "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx2,+fma"},
    "SSE": {"NUMBA_CPU_NAME": "generic"},
}
SHOW = "from npr.kernels.vector import REGISTERS, VECTOR_BYTES; print(VECTOR_BYTES, REGISTERS)"


@pytest.fixture(scope="module", params=OTHERS)
def tile(request: pytest.FixtureRequest) -> ModuleType:
    return tile_targets.tile_for(*HOSTS[request.param])


def _matrix(seed: int, shape: tuple[int, int], dtype: str) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_product_is_that_of_numpy(tile: ModuleType, size: tuple[int, int, int], dtype: str) -> None:
    m, k, n = size
    a, w, c = _matrix(0, (m, k), dtype), _matrix(1, (k, n), dtype), np.full((m, n), np.nan, dtype)
    tile.multiply(a, tile.pack(w), c, False)
    assert _error(c, a.astype(float) @ w) < TOLERANCE[dtype]
    tile.multiply(a, tile.pack(w), c, True)
    assert _error(c, 2 * a.astype(float) @ w) < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_transposed_product_adds_to_c(tile: ModuleType, size: tuple[int, int, int], dtype: str) -> None:
    m, k, n = size
    a, b, c = _matrix(0, (k, m), dtype), _matrix(1, (k, n), dtype), _matrix(2, (m, n), dtype)
    wanted = c + a.astype(float).T @ b
    tile.multiply_transposed(a, b, c)
    assert _error(c, wanted) < TOLERANCE[dtype]


def test_columns_beside_a_masked_tile_are_left_alone(tile: ModuleType) -> None:
    wide, a, w = np.full((31, 50), 7.0), _matrix(0, (31, 9), "float64"), _matrix(1, (9, 37), "float64")
    tile.multiply(a, tile.pack(w), wide[:, 3:40], False)
    np.testing.assert_allclose(wide[:, 3:40], a @ w, atol=1e-13)
    assert (np.delete(wide, np.s_[3:40], axis=1) == 7.0).all()


@pytest.mark.parametrize(
    ("features", "machine", "host"),
    [
        ({"avx512f", "avx2", "fma"}, "x86_64", "AVX-512"),
        ({"avx2", "fma"}, "AMD64", "AVX2"),
        ({"avx2"}, "x86_64", "SSE"),
        ({"neon", "sve"}, "aarch64", "NEON"),
        (set(), "arm64", "NEON"),
        (set(), "ppc64le", "SSE"),
    ],
)
def test_extensions_decide_on_the_vectors(features: set[str], machine: str, host: str) -> None:
    assert vector.describe(features, machine) == HOSTS[host]


@pytest.mark.parametrize("host", ENVIRONMENTS)
def test_code_of_an_older_processor_runs_here(host: str) -> None:
    if platform.machine() not in ("x86_64", "AMD64") or not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("needs an x86-64 processor with AVX2")
    environment = {**os.environ, **ENVIRONMENTS[host]}
    shown = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True)
    assert tuple(map(int, shown.stdout.split())) == HOSTS[host]
    tests = [str(Path(__file__).parent / "test_tile.py"), "-q", "-p", "no:cacheprovider"]
    subprocess.run([sys.executable, "-m", "pytest", *tests], env=environment, check=True, capture_output=True)
