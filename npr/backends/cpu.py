"""The CPU backend: numba kernels, a thread count, and large arrays that are used again."""

from __future__ import annotations

from types import SimpleNamespace

import numba
import numpy as np
import threadpoolctl

from npr.backends.heap import keep_freed_memory
from npr.kernels import (
    affine,
    dense,
    diagonal,
    drive,
    embedding,
    gru,
    layout,
    lstm,
    narrow,
    norm,
    norm_statistics,
    pointwise,
    rotations,
    shifted,
    stack,
    tile,
)
from npr.kernels.jit import config
from npr.slices import cut

Array = np.ndarray


# A free array that so many leases have not asked for is given back to the system: batches of many lengths, as
# recordings have, would otherwise each leave their arrays behind.
_PATIENCE = 16


class Pool:
    """Arrays that went out of use, kept by shape: fresh pages cost as much as the arithmetic on them."""

    def __init__(self) -> None:
        self._free: dict[tuple, list[Array]] = {}
        self._asked: dict[tuple, int] = {}
        self._leases = 0

    def lease(self) -> Lease:
        """A set of arrays that return to the pool when the lease is dropped."""
        self._leases += 1
        for key in [key for key, lease in self._asked.items() if self._leases - lease > _PATIENCE]:
            del self._asked[key]
            self._free.pop(key, None)
        return Lease(self)

    def clear(self) -> None:
        """Give all free arrays back to the system."""
        self._free.clear()

    def pop(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """A free array of this shape, or a new one; its contents are arbitrary, row 0 of time is zero."""
        self._asked[shape, dtype] = self._leases
        free = self._free.get((shape, dtype))
        return free.pop() if free else np.zeros(shape, dtype)

    def push(self, arrays: list[Array]) -> None:
        """Take arrays back."""
        for array in arrays:
            if (array.shape, array.dtype) in self._asked:
                self._free.setdefault((array.shape, array.dtype), []).append(array)


class Lease:
    """Arrays on loan from a pool for as long as this object lives."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._arrays: list[Array] = []

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """An array nobody else holds; uninitialised."""
        array = self._pool.pop(shape, np.dtype(dtype))
        self._arrays.append(array)
        return array

    def __del__(self) -> None:
        self._pool.push(self._arrays)


class Cpu:
    """Kernels for the host's processor.

    Parameters
    ----------
    threads : int
        Threads of the parallel kernels; results do not depend on it.
    """

    name = "cpu"
    simulated = False
    activations = pointwise.CODES
    xp = np
    stacks = True  # equal layers as one kernel
    cut = staticmethod(cut)

    def __init__(self, threads: int) -> None:
        self.threads = min(threads, config.NUMBA_NUM_THREADS)
        numba.set_num_threads(self.threads)
        # One BLAS thread: NumPy's and SciPy's pools would fight with ours for the same cores.
        threadpoolctl.threadpool_limits(limits=1, user_api="blas")
        keep_freed_memory()
        self.pool = Pool()
        modules = (
            affine,
            dense,
            diagonal,
            drive,
            embedding,
            gru,
            layout,
            lstm,
            narrow,
            norm,
            norm_statistics,
            rotations,
            shifted,
            stack,
        )
        self.kernels = SimpleNamespace(**{module.__name__.rpartition(".")[2]: module for module in modules})

    def put(self, x: Array) -> Array:
        """x where the kernels run: itself."""
        return x

    def room(self) -> None:
        """Free memory is not watched."""

    def pack(self, w: Array) -> Array:
        """W as panels for the kernels."""
        return tile.pack(w)
