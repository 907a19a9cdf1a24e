"""The clock of all benchmarks: warm-up outside, every repeat kept; kernels on several cores at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any


def repeat(run: Callable[[], Any], repeats: int, warm_up: int = 2) -> list[float]:
    """Seconds of each of `repeats` runs after `warm_up` runs that do not count."""
    for _ in range(warm_up):
        run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def together(jobs: Sequence[Callable[[], Any]]) -> float:
    """Seconds from a common start until the last job is done, one thread each; the jobs release the GIL."""
    gate = threading.Barrier(len(jobs) + 1)

    def wait_and_run(job: Callable[[], Any]) -> None:
        gate.wait()
        job()

    threads = [threading.Thread(target=wait_and_run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    gate.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start
