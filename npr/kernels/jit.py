"""Compile options of every kernel, chosen in one place, and the disk cache they share.

The cache folder's name contains a hash of all kernel sources, of the compiler versions and of the CPU,
because numba neither notices an edit in an imported module nor recovers from a file made for another setup.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
import platformdirs
from numba.core import config as _config

from npr.kernels.disk_cache import keep

config: Any = _config  # numba fills this module in at run time

# NaN and infinity keep their meaning: training must notice them.
OPTIONS: dict[str, Any] = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "nogil": True}

if not {"NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"} & os.environ.keys():
    # With workqueue the calling thread is a third one on two cores: a step of 6x128 takes 96 ms and now and then
    # 110, with OpenMP 86. OpenMP must not meet BLAS inside a parallel loop; no kernel of ours calls it.
    config.THREADING_LAYER_PRIORITY = ["omp", "workqueue", "tbb"]
    # Threads that wait in sleep leave the cores to others where a machine is shared. But waking one takes longer than
    # the gap between two kernels: GNU's OpenMP turns in a loop for less than 0.1 ms before it sleeps.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")


def cache_folder() -> Path:
    """Folder of the compiled kernels: one for each state of the sources, compiler and CPU."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    cpu = config.CPU_NAME or llvm.get_host_cpu_name()
    digest.update(repr((numba.__version__, llvmlite.__version__, np.__version__, cpu, config.CPU_FEATURES)).encode())
    chosen = os.environ.get("NPR_CACHE_DIR")
    root = Path(chosen) if chosen else Path(platformdirs.user_cache_path("npr"))
    return root / "numba" / digest.hexdigest()[:16]


def _kept(compiled: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel, with our folder as its cache; without a cache if the folder cannot be written."""
    if config.DISABLE_JIT:
        return compiled
    folder = cache_folder()
    try:
        # The files are pickles: a folder that others may write to would let them run code.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return compiled
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        keep(compiled, function, folder)
    finally:
        config.CACHE_DIR = before
    return compiled


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a sequential kernel, kept on disk."""
    return _kept(numba.njit(**OPTIONS)(function), function)


def parallel_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel whose `prange` loops run on several threads, kept on disk."""
    return _kept(numba.njit(parallel=True, **OPTIONS)(function), function)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a piece of a kernel; LLVM merges it into the kernels that call it."""
    return numba.njit(**OPTIONS)(function)
