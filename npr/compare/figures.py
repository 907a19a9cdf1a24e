"""The figures of repetitions: one estimate for each, and what makes it less than it seems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from npr.compare.parameters import parameters
from npr.compare.record import Record
from npr.compare.statistics import Estimate, estimate

COSTS = ("steps", "seconds", "parameters")


def numbers(record: Record) -> dict[str, float]:
    """All figures of one run, its updates, seconds and parameters among them."""
    costs = dict(zip(COSTS, (record.step, record.seconds, parameters(record)), strict=True))
    found = {**record.figures(), **costs}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def estimates(records: Sequence[Record]) -> dict[str, Estimate]:
    """Mean and interval of each figure that any of the runs has."""
    tables = [numbers(record) for record in records]
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: estimate([table[name] for table in tables if name in table]) for name in names}


def cautions(records: Sequence[Record], found: Mapping[str, Estimate]) -> list[str]:
    """Sentences about runs without an end, means that are NaN, and figures that some runs lack."""
    notes = [f"{record.name} is {record.status()}: its latest rows count." for record in records if not record.result]
    for name, each in found.items():
        if math.isnan(each.mean):
            bad = [record.name for record in records if not math.isfinite(numbers(record).get(name, 0.0))]
            notes.append(f"{name} is NaN or infinite in {', '.join(bad)}: it has no mean.")
        elif each.n < len(records):
            lacking = [record.name for record in records if name not in numbers(record)]
            notes.append(f"{name} is not known for {', '.join(lacking)}: its mean is over the others.")
    return notes
