"""One library in one process: `python -m npr.bench.worker '{"task": ..., ...}'`, started by `processes.py`.

The task `check` writes loss, output and every gradient to an .npz file, `time` prints seconds and peak memory as
JSON, `ceilings` the machine's limits. No library is imported before the process is pinned to its cores.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

FOLDERS = {"npr": "own", "torch": "torch_peer", "torch.compile": "torch_peer", "jax": "jax_peer"}


def prepared(job: dict[str, Any]) -> Any:
    """The step that a job asks for."""
    problem = importlib.import_module(f"npr.bench.problems.{job['family']}")
    library = importlib.import_module(f"npr.bench.{FOLDERS[job['library']]}.{job['family']}")
    drawn = problem.draw(problem.Case(**job["case"]), job["seed"], job.get("dtype", "float32"))
    compiled = {"compiled": True} if job["library"] == "torch.compile" else {}
    return library.prepare(drawn, job["threads"], **compiled)


def check(job: dict[str, Any]) -> None:
    """Results of the first step."""
    import numpy as np

    step = prepared(job)
    np.savez(job["file"], **step.collect(step.run()))


def time(job: dict[str, Any]) -> None:
    """Seconds of every repeat, and the largest resident set in bytes."""
    from npr.bench import clock, machine

    seconds = clock.repeat(prepared(job).run, job["repeats"])
    print(json.dumps({"seconds": seconds, "peak": machine.peak_memory()}))


def ceilings(job: dict[str, Any]) -> None:
    """Limits of the machine."""
    from npr.bench import ceilings

    print(json.dumps(ceilings.ceilings(job["threads"])))


def main(text: str) -> None:
    """Do one job."""
    from npr.bench import machine

    job = json.loads(text)
    machine.pin(job["threads"])
    {"check": check, "time": time, "ceilings": ceilings}[job["task"]](job)


if __name__ == "__main__":
    main(sys.argv[1])
