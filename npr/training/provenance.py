"""What a run was made with: versions, machine and commit, stored beside its configuration."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_SOURCES = Path(__file__).parents[2]


def versions() -> dict[str, str]:
    """Versions of what decides about the bits of a result; asks the installer, imports nothing."""
    found = {"python": platform.python_version()}
    for package in ("npr", "numpy", "scipy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def provenance() -> dict[str, str]:
    """Versions, kind of machine, and the git commit where npr runs from a checkout."""
    commit = git_commit()
    return {
        **versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        **({"git": commit} if commit else {}),
    }


def git_commit(folder: Path = _SOURCES) -> str:
    """Commit of a checkout, with "-dirty" after it if files were changed; empty elsewhere."""
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
