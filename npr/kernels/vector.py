"""Width and number of the host's vector registers, as far as numba's code generator will use them."""

from __future__ import annotations

import platform

import llvmlite.binding as llvm

from npr.kernels.jit import config


def _describe() -> tuple[int, int]:
    """Bytes of one vector register and how many there are."""
    if config.CPU_NAME == "generic":
        return 16, 32 if platform.machine() in ("aarch64", "arm64") else 16
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    if features.get("avx2") and features.get("fma"):
        return 32, 16
    if platform.machine() in ("aarch64", "arm64"):
        return 16, 32
    return 16, 16


VECTOR_BYTES, REGISTERS = _describe()
