"""The CUDA backend: kernels of numba's CUDA targets, arrays and products of CuPy.

Everything that training touches stays on the device: parameters, moments, states, gradients; small matrices that a
parametrisation makes are computed on the host, see `npr.parametrizations.placed`. Where the simulator takes the place
of a device, arrays are those of `npr.backends.simulated`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from npr.errors import BackendError
from npr.kernels import (
    affine,
    dense,
    diagonal,
    drive,
    embedding,
    gru,
    layout,
    lstm,
    norm,
    norm_statistics,
    pointwise,
    rotations,
    shifted,
)
from npr.kernels.cuda_target import target
from npr.params import Array
from npr.slices import Slicing, whole

# Of what the kernels use, the oldest devices that today's compilers still know; and those that have TF32.
_OLDEST, _TF32 = (7, 0), (8, 0)


class Lease:
    """Arrays of one pass; CuPy's own pool keeps their memory when they are gone."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def take(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A new array, zero."""
        return self._xp.zeros(shape, dtype)


class Pool:
    """What the CPU's pool offers, of the device's memory."""

    def __init__(self, xp: Any) -> None:
        self._xp = xp

    def lease(self) -> Lease:
        """Space for one pass."""
        return Lease(self._xp)

    def clear(self) -> None:
        """Give free memory back to the driver."""
        if hasattr(self._xp, "get_default_memory_pool"):
            self._xp.get_default_memory_pool().free_all_blocks()


class Cuda:
    """Kernels for an NVIDIA device.

    Parameters
    ----------
    tf32 : bool
        Whether products of float32 may be made with TF32. It is CuPy's for the whole process: the backend that was made
        last decides, and CUPY_TF32 in the environment does not.

    Raises
    ------
    BackendError
        If there is no compiler for them, no CuPy, no driver or no device that the kernels can run on, or one that has
        no TF32 where it is asked for.
    """

    name = "cuda"
    activations = pointwise.CODES
    stacks = False

    def __init__(self, tf32: bool = False) -> None:
        self.target = target()
        self.simulated = self.target.simulated
        self.xp = self._library(tf32)
        self.pool = Pool(self.xp)
        modules = (
            affine, dense, diagonal, drive, embedding, gru, layout, lstm, norm, norm_statistics, rotations, shifted,
        )  # fmt: skip
        kernels = {module.__name__.rpartition(".")[2]: module.Device for module in modules}
        # Sums per sequence cost a device nothing, at any number of units.
        self.kernels = SimpleNamespace(**kernels, narrow=SimpleNamespace(WIDE=float("inf")))

    def cut(self, times: int, batch: int, lengths: Array | None = None) -> Slicing:
        """The batch as one slice; errors as in `npr.slices.cut`."""
        return whole(times, batch, lengths, self.xp)

    def put(self, x: Array) -> Array:
        """x on the device."""
        return self.xp.asarray(x)

    def describe(self) -> dict[str, str]:
        """Name and compute capability of the device, and what compiles for it."""
        found = {"target": self.target.name}
        if not self.target.simulated:
            device = self.xp.cuda.Device()
            name = self.xp.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
            found |= {"name": name, "capability": device.compute_capability}
            found["shared memory of a block"] = f"{self.target.shared_bytes(self.xp):,} bytes"
        return found

    def room(self) -> int | None:
        """Bytes of the device's memory that are free; None where it is simulated."""
        if self.target.simulated:
            return None
        self.pool.clear()
        return int(self.xp.cuda.Device().mem_info[0])

    def taken(self, run: Callable[[], object]) -> int:
        """Bytes that a call needs at most, with what it leaves behind."""
        self.pool.clear()
        memory = self.xp.get_default_memory_pool()
        before = memory.total_bytes()
        run()
        return int(memory.total_bytes() - before)

    def pack(self, w: Array) -> Array:
        """W as the products take it."""
        return self.xp.ascontiguousarray(w)

    def _library(self, tf32: bool) -> Any:
        if self.target.simulated:
            return importlib.import_module("npr.backends.simulated").library
        try:
            cupy = importlib.import_module("cupy")
        except Exception as error:  # it may fail in any way where its libraries do not fit
            advice = 'Get it with: pip install -e ".[gpu]". Or use --device cpu.'
            raise BackendError(f"device 'cuda' needs CuPy: {error}. {advice}") from error
        try:
            count = cupy.cuda.runtime.getDeviceCount()
            digits = cupy.cuda.Device().compute_capability if count else "00"
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise BackendError(
                f"device 'cuda' cannot be used: {error}. Is there a driver, and a new one? nvidia-smi tells. Or use "
                "--device cpu."
            ) from error
        if not count:
            raise BackendError("device 'cuda' cannot be used: the driver finds no NVIDIA device. Use --device cpu.")
        capability = int(digits[:-1]), int(digits[-1])
        if capability < _OLDEST:
            raise BackendError(
                f"device 'cuda' has compute capability {capability[0]}.{capability[1]}; the kernels need "
                f"{_OLDEST[0]}.{_OLDEST[1]} or more. Use --device cpu."
            )
        if tf32 and capability < _TF32:
            had = f"{capability[0]}.{capability[1]}"
            raise BackendError(f"tf32 needs compute capability 8.0 or more, the device has {had}. Use --no-tf32.")
        products = cupy._core._routines_linalg
        products.set_compute_type("float32", products.COMPUTE_TYPE_TF32 if tf32 else products.COMPUTE_TYPE_DEFAULT)
        return cupy
