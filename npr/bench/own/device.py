"""npr's steps on a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from npr.backends import get_backend
from npr.bench.problem import Library, Problem, Step


def prepare(library: Library, problem: Problem, threads: int, name: str, options: Mapping[str, Any]) -> Step:
    """The step of a family's module, which ends when the device is idle; npr has one name and no options."""
    step, backend = library.prepare(problem, threads), get_backend(problem.device)
    return Step(ended(step.run, backend), step.collect, lambda: held(backend))


def ended(run: Callable[[], Any], backend: Any) -> Callable[[], Any]:
    """A call that returns when the device has nothing left to do."""
    if backend.target.simulated:
        return run

    def timed() -> Any:
        found = run()
        backend.xp.cuda.Device().synchronize()
        return found

    return timed


def held(backend: Any) -> int:
    """Bytes of the device's memory in CuPy's pool, which gives nothing back; 0 where it is simulated."""
    return 0 if backend.target.simulated else int(backend.xp.get_default_memory_pool().total_bytes())
