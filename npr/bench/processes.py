"""Workers: which libraries this installation has, and one job in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from typing import Any

from npr.bench import machine
from npr.bench.problem import package
from npr.errors import NprError

LAST_LINES = 15
LIMIT = 1800  # seconds; a kernel of a device that never ends would wait for ever


class WorkerDied(NprError):
    """A worker process ended without its figures; the message holds what it wrote to stderr."""


def missing(library: str) -> str:
    """Why a library cannot be compared, empty if it is installed."""
    if importlib.util.find_spec(package(library)) is not None:
        return ""
    return f"{package(library)} is not installed: pip install -e '.[bench]'"


def work(job: dict[str, Any]) -> Any:
    """What a worker process printed, as JSON; None if nothing.

    Raises
    ------
    WorkerDied
        If its exit code is not 0.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "npr.bench.worker", json.dumps(job)],
            env=machine.thread_environment(job["threads"]),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise WorkerDied(f"{_worker(job)} took longer than {LIMIT // 60} minutes and was ended.") from None
    if done.returncode:
        raise WorkerDied(_obituary(job, done.returncode, done.stderr))
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else None


def _worker(job: dict[str, Any]) -> str:
    case = job.get("case", {}).get("name", "no case")
    return f"The worker of {job.get('library', 'npr')} on {case} (task {job['task']})"


def _obituary(job: dict[str, Any], code: int, stderr: str) -> str:
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    said = "\n".join(f"  {line}" for line in stderr.splitlines()[-LAST_LINES:])
    out = " Memory may have run out." if code == -signal.SIGKILL else ""
    return f"{_worker(job)} {how}.{out} Its last lines:\n{said or '  (none)'}"
