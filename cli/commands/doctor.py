"""Report versions, processor, threads, caches and data, for bug reports."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from npr.errors import CheckFailed
from npr_cli import options

Section = dict[str, Any]
_VARIABLES = ("NPR_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "NO_COLOR", "FORCE_COLOR", "CUDA_VISIBLE")


@click.command()
@options.as_json
def command(as_json: bool) -> None:
    """Report versions, processor, BLAS, threads, caches, data and devices.

    The exit code is 7 if a part of npr cannot work here.
    """
    found = {name: _examine(part) for name, part in _PARTS.items()}
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
    else:
        for name, section in found.items():
            _show(name, section)
    broken = [f"{name} ({section['error']})" for name, section in found.items() if "error" in section]
    if broken:
        raise CheckFailed(f"Not in working order: {'; '.join(broken)}.")


def _examine(part: Callable[[], Section]) -> Section:
    """One section; what is broken on this machine is the very thing to report."""
    try:
        return part()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _show(name: str, section: Section) -> None:
    click.echo(f"{name}:")
    for key, value in section.items():
        entries = value if isinstance(value, list) else [value]
        for entry in entries:
            text = ", ".join(f"{k} {v}" for k, v in entry.items()) if isinstance(entry, dict) else entry
            click.echo(f"  {key.replace('_', ' ')}: {text}")


def _packages() -> list[str]:
    """What npr itself requires, without the extras."""
    wanted = metadata.requires("npr") or []
    return [re.split(r"[^\w-]", line, maxsplit=1)[0] for line in wanted if "extra ==" not in line]


def _versions() -> Section:
    return {
        "npr": metadata.version("npr"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        **{name: metadata.version(name) for name in [*_packages(), "llvmlite"]},
    }


def _processor() -> Section:
    import llvmlite.binding as llvm

    from npr.kernels.vector import REGISTERS, VECTOR_BYTES

    return {
        "name": llvm.get_host_cpu_name(),
        "machine": platform.machine(),
        "vector": f"{8 * VECTOR_BYTES} bits, {REGISTERS} registers",
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _threads() -> Section:
    import numba
    import scipy.linalg  # noqa: F401  (loads the second BLAS, which numba's products use)
    import threadpoolctl

    import npr.kernels.jit  # noqa: F401  (chooses the threading layer)

    pools = [
        {key: pool.get(key) for key in ("internal_api", "version", "num_threads", "architecture")}
        for pool in threadpoolctl.threadpool_info()
    ]
    chosen = vars(numba.config)
    return {"numba": chosen["NUMBA_NUM_THREADS"], "layer": chosen["THREADING_LAYER"], "pool": pools}


def _cache() -> Section:
    from npr.kernels.jit import cache_folder

    folder = cache_folder()
    files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
    size = sum(file.stat().st_size for file in files)
    return {
        "folder": folder,
        "state": f"{len(files)} files, {size / 1e6:.1f} MB" if files else "empty: the next run compiles",
        "writable": _writable(folder),
    }


def _writable(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return os.access(existing, os.W_OK)


def _data() -> Section:
    from npr.data import known, search

    place = search.place()
    section: Section = {"folder": place.folder, "named_by": place.source}
    for name, files in known.SETS.items():
        found = search.paths(place.folder, files)
        section[name] = f"{len(found)} of {len(files.files)} files; 'npr data verify' checks them"
    return section


def _devices() -> Section:
    from npr.backends import get_backend
    from npr.errors import BackendError
    from npr.kernels.cuda_target import find_target

    section: Section = {}
    for device in ("cpu", "cuda"):
        try:
            get_backend(device)
            section[device] = "works"
        except BackendError as error:
            section[device] = str(error)
    target, refused = find_target()
    section["cuda_kernels"] = [f"made by {target.name}" if target else "no compiler"]
    section["cuda_kernels"] += [f"not by {name}: {reason}" for name, reason in refused.items()]
    return section


def _environment() -> Section:
    return {key: value for key, value in sorted(os.environ.items()) if key.startswith(_VARIABLES)}


_PARTS: dict[str, Callable[[], Section]] = {
    "versions": _versions,
    "processor": _processor,
    "threads": _threads,
    "cache": _cache,
    "data": _data,
    "devices": _devices,
    "environment": _environment,
}
