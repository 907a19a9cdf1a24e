"""One library in one process: `python -m npr.bench.worker '{"task": ..., ...}'`, started by `processes.py`.

The task `check` writes loss, output and every gradient to an .npz file, `time` prints seconds and peak memory as
JSON, `ceilings` the limits of the machine or of its device, `device` what PyTorch knows of one. No library is imported
before the process is pinned to its cores.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

FOLDERS = {
    "npr": "own",
    "torch": "torch_peer",
    "torch.compile": "torch_peer",
    "torch-graph": "torch_peer",
    "torch-tf32": "torch_peer",
    "jax": "jax_peer",
}
OPTIONS = {"torch.compile": {"compiled": True}, "torch-graph": {"graph": True}}


def prepared(job: dict[str, Any]) -> Any:
    """The step that a job asks for."""
    problem = importlib.import_module(f"npr.bench.problems.{job['family']}")
    name, device = job["library"], job["device"]
    folder, options = f"npr.bench.{FOLDERS[name]}", OPTIONS.get(name, {})
    library = importlib.import_module(f"{folder}.{job['family']}")
    drawn = problem.draw(problem.Case(**job["case"]), job["seed"], job.get("dtype", "float32"))
    if device == "cpu":
        return library.prepare(drawn, job["threads"], **options)
    place = importlib.import_module(f"{folder}.device")
    return place.prepare(library, drawn._replace(device=device), job["threads"], name, options)


def check(job: dict[str, Any]) -> None:
    """Results of the first step."""
    import numpy as np

    step = prepared(job)
    np.savez(job["file"], **step.collect(step.run()))


def time(job: dict[str, Any]) -> None:
    """Seconds of every repeat, and the bytes of the largest resident set or of a device's memory."""
    from npr.bench import clock, machine

    step = prepared(job)
    seconds = clock.repeat(step.run, job["repeats"])
    print(json.dumps({"seconds": seconds, "peak": (step.held or machine.peak_memory)()}))


def ceilings(job: dict[str, Any]) -> None:
    """Limits of the machine or its device."""
    if job["device"] == "cpu":
        from npr.bench import ceilings

        found = ceilings.ceilings(job["threads"])
    else:
        from npr.bench import device_ceilings

        found = device_ceilings.ceilings()
    print(json.dumps(found))


def device(job: dict[str, Any]) -> None:
    """What PyTorch knows of a device."""
    from npr.bench.torch_peer import device

    print(json.dumps(device.describe()))


def main(text: str) -> None:
    """Do one job."""
    from npr.bench import machine

    job = json.loads(text)
    machine.pin(job["threads"])
    {"check": check, "time": time, "ceilings": ceilings, "device": device}[job["task"]](job)


if __name__ == "__main__":
    main(sys.argv[1])
