"""The device of a bench, as its document names it."""

from __future__ import annotations

from typing import Any

from npr.backends import get_backend
from npr.bench import processes


def describe(threads: int, alone: bool) -> dict[str, Any]:
    """Name, compute capability and compiler; versions of CUDA that the driver knows and that CuPy runs with; under
    "torch" those of PyTorch, or "absent": why it has no part. PyTorch is asked in a process of its own.

    Raises
    ------
    BackendError
        If the device cannot be used here.
    """
    backend: Any = get_backend("cuda")
    found: dict[str, Any] = backend.describe()
    if not backend.target.simulated:
        runtime = backend.xp.cuda.runtime
        found |= {"driver": version(runtime.driverGetVersion()), "runtime": version(runtime.runtimeGetVersion())}
    return found | {"torch": {"absent": "left out"} if alone else _torch(threads)}


def version(number: int) -> str:
    """13020 as "13.2"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _torch(threads: int) -> dict[str, Any]:
    why = processes.missing("torch")
    return {"absent": why} if why else processes.work({"task": "device", "library": "torch", "threads": threads})
