"""What the tests of `npr bench` share: cases by name, and measurements that nobody made."""

from __future__ import annotations

from dataclasses import replace

from npr.bench import cases

KNOWN = cases.load()
OF_CPU = cases.offered("cpu", KNOWN)
INDRNN = KNOWN["indrnn-784x128"]


def case(**fields):
    """A case of the throughput group with other fields."""
    return replace(INDRNN, **fields)


def measured(name=INDRNN.name, absent=None, **seconds):
    """Rounds of one case, given the seconds of every round for each library ("torch" or "torch.compile")."""
    rounds = []
    for n, row in enumerate(zip(*seconds.values(), strict=True)):
        turns = {key: {"seconds": one, "peak": 1e6 * (10 + n)} for key, one in zip(seconds, row, strict=True)}
        rounds.append({"ceilings": {"tile_2": 200.0, "triad_2": 30.0}, "turns": {name: turns}})
    return {"rounds": rounds, "absent": {name: absent or {}}, "disagreement": {name: {}}}
