"""The whole bench in one call: cases in, a document of figures out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from npr.bench import cases, device, machine
from npr.bench.document import document
from npr.bench.measure import Say, Settings, measure
from npr.bench.problem import DEVICE, Case
from npr.bench.summary import summarise
from npr.errors import ConfigError


def chosen(patterns: Sequence[str] = (), tiny: bool = False, device: str = "cpu") -> list[Case]:
    """The cases that patterns describe, all of a device without one; `tiny` takes them at sizes whose figures mean
    nothing. Goals hold on the device that they were set for.

    Raises
    ------
    ConfigError
        If a pattern describes no case.
    """
    found = cases.select(patterns, cases.offered(device, cases.load(), bool(patterns)))
    if tiny:
        return [case.tiny_on(device) for case in found]
    return [case if device == "cpu" or case.group == DEVICE else case.freed() for case in found]


def bench(wanted: list[Case], settings: Settings, say: Say, arguments: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Agreement, rounds and summary: a document after the agreement, and one after every round.

    Parameters
    ----------
    wanted : list of Case
    settings : Settings
        Without a round the document says how far the libraries differ, and has no figures.
    say : callable
        Is given one line at a time about what is done.
    arguments : sequence of str
        Of the command line, kept in the document.

    Raises
    ------
    ConfigError
        If more threads are asked for than this process has cores.
    BackendError
        If the device cannot be used here; no worker has been started then.
    CheckFailed
        If two libraries do not compute the same thing.
    WorkerDied
        If a worker process fails.
    """
    if settings.threads > machine.cores():
        raise ConfigError(f"threads = {settings.threads}: this process may use {machine.cores()} cores.")
    place = {} if settings.device == "cpu" else device.describe(settings.threads, settings.alone)
    own = {
        "seed": settings.seed,
        "threads": settings.threads,
        "dtype": "float32",
        "tolerance": {case.name: dict(settings.tolerances(case)) for case in wanted},
    }
    if place:
        own["device"] = place
    lacking = place.get("torch", {}).get("absent", "")
    for measured in measure(wanted, settings, say, lacking):
        figures = (
            summarise(wanted, measured, settings.threads, cases.load(), settings.device) if measured["rounds"] else {}
        )
        yield document(arguments, {**own, **figures, **measured})
