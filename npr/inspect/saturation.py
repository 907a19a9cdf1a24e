"""Units that are saturated or dead."""

from __future__ import annotations

import numpy as np

from npr.inspect.series import Series
from npr.inspect.subject import Subject
from npr.inspect.through_time import Observation

FLAT = 0.05
_GATES = "iforz"


def activity(subject: Subject, observation: Observation) -> dict[str, Series]:
    """Statistics of the states of every layer.

    A unit of tanh or sigmoid is saturated where its slope, 1 - h^2 or 4 h (1 - h), is below 0.05 of the largest one; a
    gate where 4 g (1 - g) is. A unit is dead if its state is 0 at all steps of all sequences.

    Parameters
    ----------
    subject : Subject
        The network and the batch.
    observation : Observation
        From `observe`.

    Returns
    -------
    dict of Series
        "live" (time,), the number of sequences that have this step. For every layer "<place>saturated" (time,), the
        share of units, for activations that saturate; "<place>dead" (unit,), 1 for dead; "<place>silent" (time,), the
        share of states that are 0; for a gate "<place><gate>.saturated" (time,).
    """
    valid = np.arange(subject.steps)[:, None] < subject.ends
    count = valid.sum(1)
    found = {"live": Series(count.astype(np.float64), ("time",))}
    for name, series in observation.series.items():
        place, last = name.rpartition(".")[0] + ".", name.rpartition(".")[2]
        values = series.values
        if last == "h":
            zero = (values == 0) & valid[..., None]
            found[place + "silent"] = _share(zero, count)
            found[place + "dead"] = Series((zero.sum((0, 1)) == valid.sum()).astype(np.float64), ("unit",))
            slope = _slope(getattr(subject.model, "activation", ""), values)
            if slope is not None:
                found[place + "saturated"] = _share((slope < FLAT) & valid[..., None], count)
        elif len(last) == 1 and last in _GATES:
            flat = 4 * values * (1 - values) < FLAT
            found[f"{place}{last}.saturated"] = _share(flat & valid[..., None], count)
    return found


def _slope(activation: str, h: np.ndarray) -> np.ndarray | None:
    """Slope relative to its largest value, from the output."""
    return {"tanh": lambda: 1 - h**2, "sigmoid": lambda: 4 * h * (1 - h)}.get(activation, lambda: None)()


def _share(hit: np.ndarray, count: np.ndarray) -> Series:
    """Share of valid entries (T, B, N) that were hit, at every step."""
    return Series(hit.sum((1, 2)) / np.maximum(1, count * hit.shape[2]), ("time",))
