"""One library in one process: `python worker.py '{"task": ..., ...}'`, started by `peers.py`.

The task `check` writes loss, output and every gradient to an .npz file, `time` prints seconds as JSON,
`ceilings` the machine's limits. Nothing else is imported before the process is pinned to its cores.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import clock
import machine


def _step(job: dict[str, Any]) -> Any:
    problem = importlib.import_module(f"{job['family']}_problem")
    library = importlib.import_module(f"{job['family']}_{job['library']}")
    drawn = problem.draw(problem.Case(**job["case"]), job["seed"], job.get("dtype", "float32"))
    return library.prepare(drawn, job["threads"])


def check(job: dict[str, Any]) -> None:
    """Results of the first step."""
    import numpy as np

    step = _step(job)
    np.savez(job["file"], **step.collect(step.run()))


def time(job: dict[str, Any]) -> None:
    """Seconds of every repeat."""
    print(json.dumps(clock.repeat(_step(job).run, job["repeats"])))


def ceilings(job: dict[str, Any]) -> None:
    """Limits of the machine."""
    import tile_runs

    print(json.dumps(tile_runs.ceilings(job["threads"])))


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    machine.pin(given["threads"])
    {"check": check, "time": time, "ceilings": ceilings}[given["task"]](given)
