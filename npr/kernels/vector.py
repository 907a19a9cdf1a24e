"""Width and number of the vector registers that numba's code generator will use: the host's, unless told otherwise."""

from __future__ import annotations

import platform
from collections.abc import Set

from numba.core.codegen import get_host_cpu_features

from npr.kernels.jit import config


def describe(features: Set[str], machine: str) -> tuple[int, int]:
    """Bytes of one vector register and how many there are, with these extensions (LLVM's names) of a machine."""
    if "avx512f" in features:
        return 64, 32
    if {"avx2", "fma"} <= features:
        return 32, 16
    return 16, 32 if machine in ("aarch64", "arm64") else 16


def _features() -> set[str]:
    """Extensions numba compiles for: the host's, or those of NUMBA_CPU_FEATURES."""
    text = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return {name[1:] for name in text.split(",") if name.startswith("+")}


VECTOR_BYTES, REGISTERS = describe(_features(), platform.machine())
