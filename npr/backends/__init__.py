"""Devices that run the kernels; chosen by an argument, never by a global."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from npr.errors import ConfigError
from npr.registry import unknown

if TYPE_CHECKING:
    from npr.backends.cpu import Cpu
    from npr.backends.cuda import Cuda

DEVICES = ("cpu", "cuda")


def get_backend(name: str = "cpu", threads: int = 0, tf32: bool = False) -> Cpu | Cuda:
    """The backend called `name`.

    Parameters
    ----------
    name : str
        One of `DEVICES`.
    threads : int
        Of the CPU; 0 takes every core this process may use.
    tf32 : bool
        Whether cuBLAS takes TF32 for products of float32, in this process from now on; the CPU has no such thing.

    Raises
    ------
    ConfigError
        If there is no such device or the number of threads is negative.
    BackendError
        If the device cannot be used here.
    """
    if name not in DEVICES:
        raise ConfigError(unknown("device", name, list(DEVICES)))
    if threads < 0:
        raise ConfigError(f"threads must be 0 (all cores) or more, got {threads}")
    if name == "cuda":
        from npr.backends.cuda import Cuda

        return Cuda(tf32)
    from npr.backends.cpu import Cpu

    return Cpu(threads or usable_cores())


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
