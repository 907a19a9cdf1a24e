"""Agreement of every case, then rounds in which ceilings, npr and its peers take turns.

Every library runs in a process of its own, one at a time, pinned to the same cores. Odd rounds go through the
libraries in the opposite order, so that nobody always comes after the same neighbour.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npr.bench import processes
from npr.bench.agreement import TF32_TOLERANCE, agreement, reference
from npr.bench.cases import family
from npr.bench.problem import TF32, Arrays, Case
from npr.bench.processes import WorkerDied
from npr.errors import CheckFailed

Say = Callable[[str], None]
# Peers that may fail to start: neither takes every loop, and one needs a C++ compiler.
OPTIONAL = ("torch.compile", "torch-graph")


class Settings(NamedTuple):
    """How to measure.

    Attributes
    ----------
    rounds, repeats : int
        Turns of every library, 0 for agreement only; timed steps of each turn.
    tolerance : float, optional
        Of agreement in float32, in place of those of the cases.
    alone : bool
        Whether npr runs without its peers.
    device : {"cpu", "cuda"}
        Where npr and its peers compute.
    """

    rounds: int = 3
    repeats: int = 5
    threads: int = 1
    seed: int = 0
    tolerance: float | None = None
    alone: bool = False
    device: str = "cpu"

    def tolerances(self, case: Case) -> Mapping[str, float]:
        """Those that hold for a case."""
        own = case.tolerances
        if self.tolerance is not None:
            own = {"float64": own["float64"], "float32": self.tolerance}
        return own if self.device == "cpu" else {**own, f"float32, {TF32}": TF32_TOLERANCE}

    def job(self, case: Case, task: str, library: str) -> dict[str, Any]:
        """What a worker is told about one library and one case."""
        common = {"seed": self.seed, "threads": self.threads, "repeats": self.repeats, "device": self.device}
        return {**common, "task": task, "family": family(case), "library": library, "case": asdict(case)}


class Agreed(NamedTuple):
    """Libraries that compute a case alike, by how much they differ, and why the others are not among them."""

    libraries: tuple[str, ...]
    differences: dict[str, dict[str, float]]
    absent: dict[str, str]


def measure(cases: list[Case], settings: Settings, say: Say, lacking: str = "") -> Iterator[dict[str, Any]]:
    """Differences, absent peers, and per round the ceilings, seconds and peak memory of every case: once before the
    first round, and again after every round, so that a long measurement can be kept as far as it got. `lacking` says
    why PyTorch cannot use the device; empty if it can.

    Raises
    ------
    CheckFailed
        If two libraries do not compute the same thing.
    WorkerDied
        If a worker process fails.
    """
    agreed = {case.name: _agree(case, settings, say, lacking) for case in cases}
    found: dict[str, Any] = {
        "disagreement": {name: one.differences for name, one in agreed.items()},
        "absent": {name: one.absent for name, one in agreed.items()},
        "rounds": [],
    }
    yield found
    for number in range(settings.rounds):
        found = {**found, "rounds": [*found["rounds"], _round(cases, agreed, settings, number, say)]}
        yield found


def _peers(case: Case, settings: Settings, lacking: str) -> dict[str, str]:
    """Why each peer of a case is left out; empty for one that is not."""
    here = case.peers_on(settings.device)
    elsewhere = {peer: "compared on the CPU only" for peer in case.peers if peer not in here}
    if settings.alone:
        return dict.fromkeys([*here, *elsewhere], "left out")
    return {peer: processes.missing(peer) or lacking for peer in here} | elsewhere


def _agree(case: Case, settings: Settings, say: Say, lacking: str) -> Agreed:
    peers = _peers(case, settings, lacking)
    absent = {peer: why for peer, why in peers.items() if why}
    with tempfile.TemporaryDirectory() as folder:
        kept: dict[tuple[str, str], Arrays] = {}

        def results(library: str, dtype: str) -> Arrays:
            if (library, dtype) not in kept:
                file = str(Path(folder) / "results.npz")
                processes.work({**settings.job(case, "check", library), "dtype": dtype, "file": file})
                with np.load(file) as arrays:
                    kept[library, dtype] = dict(arrays)
            return kept[library, dtype]

        for peer in OPTIONAL:
            if peers.get(peer) == "":
                try:
                    results(peer, "float32")
                except WorkerDied as error:
                    absent[peer] = str(error).splitlines()[-1].strip()
        libraries = ("npr", *(peer for peer in peers if peer not in absent))
        limits = settings.tolerances(case)
        try:
            differences = agreement(case, libraries, results, limits)
        except CheckFailed as error:
            if TF32 not in libraries:
                raise
            # What TF32 leaves of a sum is its device's affair, and no reason to time nothing.
            absent[TF32] = str(error)
            libraries = tuple(name for name in libraries if name != TF32)
            differences = agreement(case, libraries, results, limits)
    for dtype, errors in differences.items():
        found = ", ".join(f"{name} {error:.1e}" for name, error in errors.items())
        say(f"{case.name}, {dtype}: differences from {reference(libraries)}'s float64: {found}")
    return Agreed(libraries, differences, absent)


def _round(
    cases: list[Case], agreed: dict[str, Agreed], settings: Settings, number: int, say: Say
) -> dict[str, dict[str, Any]]:
    limits = processes.work({"task": "ceilings", "threads": settings.threads, "device": settings.device})
    say(f"round {number + 1}: " + ", ".join(f"{name} {value:.0f}" for name, value in limits.items()))
    turns = {}
    for case in cases:
        order = agreed[case.name].libraries[:: -1 if number % 2 else 1]
        turns[case.name] = {name: processes.work(settings.job(case, "time", name)) for name in order}
        medians = {name: 1e3 * statistics.median(turn["seconds"]) for name, turn in turns[case.name].items()}
        say(f"  {case.name}: " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in medians.items()))
    return {"ceilings": limits, "turns": turns}
