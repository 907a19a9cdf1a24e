"""Which compiler makes the CUDA kernels, what a kernel becomes, and what is said where a device cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from npr.backends import cuda, get_backend
from npr.backends.simulated import DeviceArray, library
from npr.errors import BackendError
from npr.kernels import cuda_target
from npr.kernels.cuda_target import Target, cuda_kernel, find_target, real, target
from npr.kernels.large_shared import EVERY_BLOCK, Allowed


def device(n, factor):
    """Stands for a function that kernels share."""
    return n * factor


@cuda_kernel
def doubled(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] + x[i]


@pytest.fixture
def fresh_choice(monkeypatch):
    """Environment without a choice, and no target remembered."""
    for name in ("NUMBA_ENABLE_CUDASIM", "NPR_CUDA_TARGET"):
        monkeypatch.delenv(name, raising=False)
    target.cache_clear()
    yield monkeypatch
    target.cache_clear()


def test_names_of_a_kernel_get_their_values():
    def kernel(x):
        x[0] = real(np.pi)

    kernel.__module__ = "npr.kernels.nowhere"
    chosen = Target("fake", SimpleNamespace(), lambda f: f, lambda f: f, True, 8, lambda xp: 0)
    for dtype in (np.float32, np.float64):
        copy = cuda_target._specialised(kernel, chosen, dtype, {})
        assert copy is not kernel
        assert copy.__globals__["real"] is dtype
    assert real is None


def test_shared_functions_are_compiled_for_the_device_once():
    from npr.kernels.scan import unit_forward

    compiled = []
    chosen = Target(
        "fake", SimpleNamespace(), lambda f: f, lambda f: compiled.append(f.__name__) or f, True, 8, lambda xp: 0
    )
    copy = cuda_target._specialised(unit_forward.function, chosen, np.float32, {})
    assert sorted(compiled) == ["activate", "tanh"]
    assert not hasattr(copy.__globals__["activate"], "py_func")


def test_a_kernel_runs_for_both_types():
    from npr.kernels.layout import copy_valid

    for dtype in (np.float32, np.float64):
        x = library.asarray(np.arange(6, dtype=dtype).reshape(3, 2, 1))
        out = library.zeros((3, 2, 1), dtype)
        copy_valid.each(6, dtype)(x, library.asarray(np.array([3, 1])), out)
        assert out.get().ravel().tolist() == [0, 1, 2, 0, 4, 0]


class _Made:
    """Stands for a kernel of numba-cuda that has been compiled for some arguments."""

    entry_name = "touch"
    _codelibrary = SimpleNamespace(get_cufunc=lambda: SimpleNamespace(handle="handle"))


def _numba_cuda(monkeypatch, error):
    """A kernel of numba-cuda and what was asked of it and of the driver, which answers with an error, 0 for none."""
    asked, made = [], _Made()

    class Kernel:
        def __getitem__(self, shape):
            return lambda *arguments: asked.append((shape, arguments))

        def compile(self, types):
            assert types == ("int", "int")
            return made

        def typeof_pyval(self, x):
            return type(x).__name__

    def allow(*given):
        asked.append(given)
        return (error,)

    driver = SimpleNamespace(
        CUfunction_attribute=SimpleNamespace(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES="most"),
        cuCtxGetDevice=lambda: (0, "device"),
        cuKernelSetAttribute=allow,
    )
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", driver)
    return Kernel(), asked


def test_numba_cuda_is_allowed_the_shared_memory_of_a_launch_once(monkeypatch):
    kernel, asked = _numba_cuda(monkeypatch, 0)
    allowed = Allowed(kernel)
    small, large, larger = (1, 32, 0, EVERY_BLOCK), (1, 32, 0, EVERY_BLOCK + 4), (1, 32, 0, EVERY_BLOCK + 8)
    for shape in (small, large, large, larger, large):
        allowed[shape](1, 2)
    assert [found for found in asked if len(found) == 2] == [(x, (1, 2)) for x in (small, large, large, larger, large)]
    assert [found for found in asked if len(found) == 4] == [
        ("most", x[3], "handle", "device") for x in (large, larger)
    ]


def test_shared_memory_that_the_driver_refuses(monkeypatch):
    kernel, asked = _numba_cuda(monkeypatch, SimpleNamespace(name="CUDA_ERROR_INVALID_VALUE"))
    with pytest.raises(BackendError, match=r"touch was refused 50000 bytes .* CUDA_ERROR_INVALID_VALUE"):
        Allowed(kernel)[1, 32, 0, 50000](1, 2)
    assert len(asked) == 1


def test_without_a_compiler_every_reason_is_told(fresh_choice):
    fresh_choice.setitem(sys.modules, "numba_cuda_mlir", None)
    fresh_choice.setitem(sys.modules, "numba_cuda", None)
    with pytest.raises(BackendError, match=r"numba-cuda-mlir: .*; numba-cuda: .*\[gpu\].*--device cpu"):
        get_backend("cuda")


def test_a_target_can_be_chosen_by_name(fresh_choice):
    fresh_choice.setitem(sys.modules, "numba_cuda", None)
    fresh_choice.setenv("NPR_CUDA_TARGET", "numba-cuda")
    found, refused = find_target()
    assert found is None
    assert list(refused) == ["numba-cuda"]
    fresh_choice.setenv("NPR_CUDA_TARGET", "cuda13")
    with pytest.raises(BackendError, match=r"^NPR_CUDA_TARGET = 'cuda13': there are .*; unset it .*SIM=1\.$"):
        get_backend("cuda")


def test_the_simulator_must_be_asked_for_before_numba_is_imported():
    code = (
        "import numba, os; os.environ['NUMBA_ENABLE_CUDASIM'] = '1'\n"
        "from npr.backends import get_backend; get_backend('cuda')"
    )
    without = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run([sys.executable, "-c", code], env=without, capture_output=True, text=True, check=False)
    assert "after numba had been imported" in done.stderr


def test_the_simulator_is_asked_for_with_a_number(fresh_choice):
    fresh_choice.setenv("NUMBA_ENABLE_CUDASIM", "true")
    fresh_choice.setattr("numba.config.ENABLE_CUDASIM", 0)
    with pytest.raises(BackendError, match="NUMBA_ENABLE_CUDASIM = 'true' must be 1"):
        get_backend("cuda")


def _real(monkeypatch, cupy):
    """A real target, and cupy in the place of CuPy."""
    chosen = Target("numba-cuda", SimpleNamespace(), lambda f: f, lambda f: f, False, 128, lambda xp: 0)
    monkeypatch.setattr(cuda, "target", lambda: chosen)
    monkeypatch.setitem(sys.modules, "cupy", cupy)


def _cupy(count=1, capability="90", error=None):
    class CUDARuntimeError(RuntimeError):
        pass

    def devices():
        if error:
            raise CUDARuntimeError(error)
        return count

    runtime = SimpleNamespace(getDeviceCount=devices, CUDARuntimeError=CUDARuntimeError)
    linalg = SimpleNamespace(chosen=[], COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=7)
    linalg.set_compute_type = lambda *choice: linalg.chosen.append(choice)
    return SimpleNamespace(
        cuda=SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(compute_capability=capability)),
        _core=SimpleNamespace(_routines_linalg=linalg),
    )


@pytest.mark.parametrize(
    ("cupy", "said"),
    [
        (None, "needs CuPy"),
        (_cupy(error="cudaErrorInsufficientDriver: driver too old"), "driver too old"),
        (_cupy(count=0), "finds no NVIDIA device"),
        (_cupy(capability="61"), "compute capability 6.1; the kernels need 7.0"),
    ],
)
def test_why_a_device_cannot_be_used(cupy, said, monkeypatch):
    _real(monkeypatch, cupy)
    with pytest.raises(BackendError, match=said):
        get_backend("cuda")


def test_a_device_that_can_be_used(monkeypatch):
    cupy = _cupy(capability="120")
    _real(monkeypatch, cupy)
    assert get_backend("cuda").xp is cupy


def test_tf32_is_off_unless_asked_for(monkeypatch):
    cupy = _cupy(capability="80")
    _real(monkeypatch, cupy)
    monkeypatch.setenv("CUPY_TF32", "1")
    for choice in ({}, {"tf32": True}, {"tf32": False}):
        get_backend("cuda", **choice)
    assert cupy._core._routines_linalg.chosen == [("float32", 1), ("float32", 7), ("float32", 1)]


def test_a_device_without_tf32(monkeypatch):
    _real(monkeypatch, _cupy(capability="75"))
    with pytest.raises(BackendError, match=r"8\.0 or more, the device has 7\.5\. Use --no-tf32"):
        get_backend("cuda", tf32=True)


def test_how_cupy_is_told(monkeypatch):
    """CuPy asks its environment only where nobody has chosen; float64 has a choice of its own."""
    pytest.importorskip("cupy", reason="needs CuPy, but no device", exc_type=ImportError)
    from cupy._core import _routines_linalg as linalg

    monkeypatch.setenv("CUPY_TF32", "1")
    linalg.set_compute_type("float32", linalg.COMPUTE_TYPE_DEFAULT)
    assert linalg.get_compute_type("float32") == linalg.get_compute_type("float64") == linalg.COMPUTE_TYPE_DEFAULT
    assert linalg.COMPUTE_TYPE_TF32 != linalg.COMPUTE_TYPE_DEFAULT


@pytest.mark.parametrize(
    "mixed",
    [
        lambda here, there: there + here,
        lambda here, there: here * there,
        lambda here, there: np.concatenate([there, here]),
        lambda here, there: np.add(there, 1, out=here),
        lambda here, there: there.__setitem__(slice(None), here),
        lambda here, there: there[here.astype(int)],
    ],
)
def test_arrays_of_the_simulated_device_do_not_mix(mixed):
    here = np.zeros(2)
    there = get_backend("cuda").put(here)
    with pytest.raises(TypeError, match="got one of the host"):
        mixed(here, there)


def test_arrays_move_by_put_and_get_alone():
    here = np.arange(3.0)
    there = get_backend("cuda").put(here)
    here[0] = 7
    assert isinstance(there, DeviceArray)
    assert there.get().tolist() == [0, 1, 2]
    assert type(there.get()) is np.ndarray
    assert isinstance(np.where(there > 1, there, 0), DeviceArray)
    assert isinstance(there.sum(), (DeviceArray, np.float64))
