"""Shared memory beyond 48 KiB for the kernels of numba-cuda, which by itself never asks the driver for it.

A launch with more fails unless the kernel has been allowed so much before (CUDA driver API, cuKernelSetAttribute).
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from npr.errors import BackendError

EVERY_BLOCK = 48 * 1024  # bytes that need no asking


class Allowed:
    """A kernel of numba-cuda that is allowed the shared memory which it is launched with."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._given: dict[int, int] = {}  # bytes by the identity of a compiled copy, which the kernel keeps

    def __getitem__(self, shape: tuple[int, ...]) -> Callable[..., None]:
        launch = self._kernel[shape]
        if len(shape) < 4 or shape[3] <= EVERY_BLOCK:
            return launch

        def allowed(*arguments: Any) -> None:
            self._allow(arguments, shape[3])
            launch(*arguments)

        return allowed

    def _allow(self, arguments: tuple[Any, ...], shared: int) -> None:
        made = self._kernel.compile(tuple(self._kernel.typeof_pyval(x) for x in arguments))
        if self._given.get(id(made), 0) >= shared:
            return
        driver = importlib.import_module("cuda.bindings.driver")
        size = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        error, device = driver.cuCtxGetDevice()
        if not error:
            (error,) = driver.cuKernelSetAttribute(size, shared, made._codelibrary.get_cufunc().handle, device)
        if error:
            raise BackendError(
                f"A block of {made.entry_name} was refused {shared} bytes of shared memory: {error.name}."
            )
        self._given[id(made)] = shared


@cache
def most_shared(xp: Any) -> int:
    """Bytes of shared memory that a block can have, found by launching a kernel: numba-cuda's way there is its own."""
    wanted = int(xp.cuda.Device().attributes["MaxSharedMemoryPerBlockOptin"])
    cuda = importlib.import_module("numba.cuda")
    number = importlib.import_module("numba").types.float32

    def touch(x):
        x[0] = cuda.shared.array(0, number).size

    try:
        Allowed(cuda.jit(touch))[1, 1, 0, wanted](xp.zeros(1, "float32"))
        xp.cuda.Device().synchronize()
    except Exception as error:  # of numba-cuda, cuda-core or the driver, each with types of its own
        warnings.warn(f"Recurrences run step by step: no more than 48 KiB of shared memory ({error}).", stacklevel=2)
        return EVERY_BLOCK
    return wanted
