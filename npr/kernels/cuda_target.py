"""Which compiler makes the CUDA kernels, chosen here alone, and the decorator that waits until it is known.

A CUDA kernel is a plain function over names that have no value before a target is chosen: `cuda`, the module of the
target; `real`, the kernel's floating-point type, so that a literal can be cast to it and no float32 kernel computes in
double; `fence`, after which the whole device sees what a thread has written; and the scalar functions that it shares
with the CPU kernels. A compiled kernel is a copy of the
function in which they have their values: one copy for each target and type. Importing a kernel file therefore imports
no CUDA package, and a machine without a driver can still read it.

Targets, in the order of preference: numba-cuda-mlir; numba-cuda, the package behind `numba.cuda`; and, where
NUMBA_ENABLE_CUDASIM=1 asks for it, the simulator of `numba.cuda`, which runs a kernel's threads in Python.
"""

from __future__ import annotations

import dis
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from npr.errors import BackendError

# What kernel files import; a kernel's copy has those of the target and the type instead.
cuda: Any = None
real: Any = None
fence: Any = None

_SIMULATOR = "NUMBA_ENABLE_CUDASIM"
_CHOICE = "NPR_CUDA_TARGET"


class Target(NamedTuple):
    """A compiler of CUDA kernels."""

    name: str
    module: Any  # what kernels know as `cuda`
    compile: Callable[..., Any]  # a function to a kernel
    compile_device: Callable[..., Any]  # a function to one that kernels may call
    simulated: bool
    threads: int  # of a block
    shared_bytes: Callable[[Any], int]  # of a block at most, where the device's arrays are of that library
    types: Callable[[str], Any] = lambda name: getattr(np, name)  # what kernels know as `real`, by its name
    fence: Callable[[], None] | None = None  # what kernels know by that name

    def processors(self, xp: Any) -> int:
        """Blocks that are on the device at once, each with as much shared memory as it wants."""
        return 16 if self.simulated else int(xp.cuda.Device().attributes["MultiProcessorCount"])


def find_target() -> tuple[Target | None, dict[str, str]]:
    """The target that can be had here, and why each one before it cannot."""
    refused: dict[str, str] = {}
    try:
        chosen = _chosen()
    except BackendError as error:
        return None, {_CHOICE: str(error)}
    for name, load in chosen.items():
        try:
            return load(), refused
        except Exception as error:  # a CUDA package may fail to import in any way
            refused[name] = f"{type(error).__name__}: {error}" if not isinstance(error, BackendError) else str(error)
    return None, refused


@cache
def target() -> Target:
    """The target of this process.

    Raises
    ------
    BackendError
        If there is none; the message says why not, of each.
    """
    found, refused = find_target()
    if found is None and _CHOICE in refused:
        raise BackendError(refused[_CHOICE])
    if found is None:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        advice = 'Get one with: pip install -e ".[gpu]". Or use --device cpu.'
        raise BackendError(f"No compiler for CUDA kernels: {reasons}. {advice}")
    return found


def _chosen() -> dict[str, Callable[[], Target]]:
    """The targets to try, in order."""
    if os.environ.get(_SIMULATOR, "0") not in ("", "0"):
        return {"simulator": _simulator}
    name = os.environ.get(_CHOICE)
    if not name:
        return _TARGETS
    if name not in _TARGETS:
        raise BackendError(
            f"{_CHOICE} = {name!r}: there are {', '.join(_TARGETS)}; unset it to take the first that works. The "
            f"simulator is asked for by {_SIMULATOR}=1."
        )
    return {name: _TARGETS[name]}


def _mlir() -> Target:
    try:
        importlib.import_module("numba_cuda_mlir")
    except ModuleNotFoundError:
        raise BackendError("it is not installed") from None
    module = importlib.import_module("numba_cuda_mlir.cuda")
    _configure("numba_cuda_mlir.numba_cuda.core.config")
    assembly = importlib.import_module("numba_cuda_mlir.cuda.experimental")

    def fence() -> None:
        # 0.6 knows the name cuda.threadfence, and has nothing behind it.
        assembly.inline_ptx("fence.acq_rel.gpu;")

    return _of("numba-cuda-mlir", module, module.jit, _most_shared, fence)


def _numba_cuda() -> Target:
    try:
        importlib.import_module("numba_cuda")
    except ModuleNotFoundError:
        raise BackendError("it is not installed; numba's built-in target does not know today's drivers") from None
    if not hasattr(np, "row_stack"):
        # Up to 0.30 it asks for a name that NumPy 2.5 has dropped, at import and nowhere else.
        np.row_stack = np.vstack
    _configure("numba.core.config", "numba.cuda.core.config")
    module = importlib.import_module("numba.cuda")

    def fence() -> None:
        module.threadfence()

    large = importlib.import_module("npr.kernels.large_shared")
    return _of("numba-cuda", module, lambda function: large.Allowed(module.jit(function)), large.most_shared, fence)


def _configure(*modules: str) -> None:
    """Options of a target: no warning that a small network does not fill the device, and no waiting at every launch for
    the stream of each argument, since CuPy and the kernels use the same one."""
    for name in modules:
        if importlib.util.find_spec(name):
            config: Any = importlib.import_module(name)
            config.CUDA_LOW_OCCUPANCY_WARNINGS = config.CUDA_ARRAY_INTERFACE_SYNC = 0


def _of(name: str, module: ModuleType, compiled: Any, shared: Callable[[Any], int], fence: Any) -> Target:
    device = _device(module)
    return Target(name, module, compiled, device, False, 128, shared, fence=device(fence))


def _most_shared(xp: Any) -> int:
    # numba-cuda-mlir itself has a byte of it, and arrays begin at multiples of 16.
    return int(xp.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"]) - 128


def _device(module: Any) -> Callable[..., Any]:
    return lambda function: module.jit(device=True)(function)


def _simulator() -> Target:
    module = importlib.import_module("numba.cuda")
    if not importlib.import_module("numba").config.ENABLE_CUDASIM:
        if not os.environ[_SIMULATOR].isdigit():
            raise BackendError(f"{_SIMULATOR} = {os.environ[_SIMULATOR]!r} must be 1")
        raise BackendError(f"{_SIMULATOR} was set after numba had been imported")
    # Python runs the scalar functions as they are. Every thread of a block is one of Python's: few of them.
    wrapper = importlib.import_module("numba.cuda.simulator.cudadrv.devicearray").FakeCUDAArray

    def compiled(function: FunctionType) -> Any:
        return _Simulated(module.jit(function), wrapper)

    types = importlib.import_module("numba").types
    within = _WithinKernel()

    def fence() -> None:
        within.threadfence()

    def shared_bytes(xp: Any) -> int:
        # So little that the tests' small networks meet more than one way of a recurrence.
        return 1200

    def numbers(name: str) -> Any:
        return getattr(types, name)

    return Target("simulator", within, compiled, lambda f: f, True, 8, shared_bytes, numbers, fence)


class _WithinKernel:
    """What `cuda` is within a simulated kernel, for the functions that it calls as well."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("numba.cuda.simulator.kernel")._get_kernel_context(), name)


class _Simulated:
    """A kernel of the simulator that works on the arrays themselves: by itself it would take a copy of each, and two
    that share memory would not on its device."""

    def __init__(self, kernel: Any, wrapper: Callable[[np.ndarray], Any]) -> None:
        self._kernel, self._wrapper = kernel, wrapper

    def __getitem__(self, shape: tuple[int, ...]) -> Callable[..., None]:
        def launch(*arguments: Any) -> None:
            wrap, interval = self._wrapper, sys.getswitchinterval()
            # The simulator asks again and again whether its threads have come to a barrier, and they wait for it.
            sys.setswitchinterval(1e-5)
            try:
                self._kernel[shape](*(wrap(x.view(np.ndarray)) if isinstance(x, np.ndarray) else x for x in arguments))
            finally:
                sys.setswitchinterval(interval)

        return launch


_TARGETS: dict[str, Callable[[], Target]] = {"numba-cuda-mlir": _mlir, "numba-cuda": _numba_cuda}


class CudaKernel:
    """A CUDA kernel that is compiled when it is first launched, for each floating-point type by itself."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self._made: dict[tuple[str, str], Any] = {}

    def of(self, dtype: Any) -> Any:
        """The kernel of a type, as the target compiles it."""
        chosen, name = target(), np.dtype(dtype).name
        if (chosen.name, name) not in self._made:
            known: dict[int, Any] = {}
            copy = _specialised(self.function, chosen, chosen.types(name), known)
            self._made[chosen.name, name] = chosen.compile(copy)
        return self._made[chosen.name, name]

    def each(self, count: int, dtype: Any) -> Any:
        """The kernel with one thread for each of `count` elements; the last block has some to spare."""
        threads = target().threads
        return self.of(dtype)[max(1, -(-count // threads)), threads]

    def blocks(self, count: int, threads: int, dtype: Any, shared: int = 0) -> Any:
        """The kernel with so many blocks of threads, and bytes of dynamic shared memory."""
        return self.of(dtype)[count, threads, 0, shared]


def cuda_kernel(function: Callable[..., None]) -> CudaKernel:
    """A CUDA kernel; see the head of this file for what it may use."""
    assert isinstance(function, FunctionType)
    return CudaKernel(function)


def _specialised(function: FunctionType, chosen: Target, dtype: Any, known: dict[int, Any]) -> FunctionType:
    """A copy of a function in which `cuda`, `real` and the functions that it calls are those of a target and a type."""
    values = dict(function.__globals__)
    for name in _names(function):
        value = values.get(name)
        plain = getattr(value, "py_func", value)
        if isinstance(plain, FunctionType) and plain.__module__.startswith("npr.kernels"):
            if id(plain) not in known:
                known[id(plain)] = chosen.compile_device(_specialised(plain, chosen, dtype, known))
            values[name] = known[id(plain)]
    values |= {"cuda": chosen.module, "real": dtype, "fence": chosen.fence}
    copy = FunctionType(function.__code__, values, function.__name__, function.__defaults__, function.__closure__)
    copy.__module__, copy.__qualname__, copy.__doc__ = function.__module__, function.__qualname__, function.__doc__
    return copy


def _names(function: FunctionType) -> set[str]:
    """Global names that a function reads; the names of its code object hold those of attributes, too."""
    return {step.argval for step in dis.get_instructions(function.__code__) if step.opname == "LOAD_GLOBAL"}
