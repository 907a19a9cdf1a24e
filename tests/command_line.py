"""Runs `npr` as a user would: in a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).parent
# Progress must not depend on the terminal that the tests are started from.
_UNSET = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "NPR_DATA_DIR")


def program(tiny: bool = False) -> list[str]:
    """How to start npr; `tiny` puts the small data set of NPR_DATA_DIR in the place of MNIST."""
    return [sys.executable, str(TESTS / "tiny_mnist.py")] if tiny else [sys.executable, "-m", "npr_cli"]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a process, the same whatever the tests were started from."""
    return {**{key: value for key, value in os.environ.items() if key not in _UNSET}, **(extra or {})}


def npr(
    *args: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, tiny: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [*program(tiny), *map(str, args)],
        cwd=cwd,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=280,
        stdin=subprocess.DEVNULL,
        check=False,
    )
