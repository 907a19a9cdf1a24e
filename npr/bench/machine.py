"""What a figure was measured on: processor, versions, commit; no host names, no paths."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
from pathlib import Path

PACKAGES = ("npr", "numpy", "scipy", "numba", "llvmlite", "torch", "jax", "jaxlib")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin(threads: int) -> None:
    """Keep this process and its thread pools on its first `threads` cores, where the system allows it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def thread_environment(threads: int) -> dict[str, str]:
    """The environment with every library's thread count set, JAX kept on the CPU, CuPy to full float32."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
    return {**os.environ, **dict.fromkeys(names, str(threads)), "JAX_PLATFORMS": "cpu"}


def describe() -> dict[str, str | int]:
    """Processor, cores and system."""
    return {"cpu": _cpu_model(), "cores": cores(), "system": f"{platform.system()} {platform.machine()}"}


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    model = named.get("model name", platform.processor() or "unknown")
    if "cpu family" not in named:
        return model
    return f"{model} (family {named['cpu family']}, model {named['model']}, stepping {named['stepping']})"


def versions() -> dict[str, str]:
    """Python and every package a benchmark may use, where installed; the commit this tree stands on."""
    # A worker reads nothing but this file before it is pinned; npr.training brings numpy and its threads.
    from npr.training.provenance import git_commit

    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {**found, "commit": git_commit() or "unknown"}


def peak_memory() -> int:
    """Largest resident set of this process so far, in bytes."""
    file = Path("/proc/self/status")
    if file.exists():
        # getrusage would count the parent's as well, which a new process inherits until it runs its own program.
        fields = dict(line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines())
        if "VmHWM" in fields:
            return 1024 * int(fields["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
