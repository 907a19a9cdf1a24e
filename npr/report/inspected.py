"""What a page shows of the stored inspections of a run: gradients through time, spectra, u and gamma."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npr.errors import StorageError
from npr.inspect.series import Series
from npr.params import Array
from npr.report.encoding import levels
from npr.report.thinning import largest, spread
from npr.training.inspections import inspections, read_inspection

COLUMNS = 400
_LAYER = re.compile(r"layers\.(\d+)\.(?:(forward|backward)\.)?(\w+)")
_SHOWN = {"dh_norm": 1, "eigenvalues": 2, "u": 1, "gamma": 1}
Snapshot = dict[str, Series]


class Inspected(NamedTuple):
    """The inspections of one run.

    Attributes
    ----------
    found : list of dict
        One entry for each training step: "step", and per kind ("gradient", "spectrum", "u", "gamma") a dict from
        the layer's name to encoded arrays; "time" is the length of the sequence, maybe more than its columns.
    messages : list of str
        What could not be read or is not shown.
    """

    found: list[dict[str, Any]]
    messages: list[str]


def inspected(run: Path, room: int) -> Inspected:
    """Read the inspections of a run, as many as fit.

    Parameters
    ----------
    run : Path
        The run folder.
    room : int
        Most values to keep; training steps are left out evenly, never the first or the last.

    Returns
    -------
    Inspected
    """
    paths = inspections(run)
    messages: list[str] = []
    first = next((series for path in paths.values() if (series := _read(path, messages)) is not None), {})
    messages.clear()
    most = max(2, room // max(1, sum(_cost(series) for series in first.values())))
    steps = np.array(list(paths))[spread(len(paths), most)]
    if len(steps) < len(paths):
        messages.append(f"{len(steps)} of {len(paths)} stored inspections are shown, evenly spread.")
    found = [
        {"step": int(step), **_entry(snapshot)}
        for step in steps
        if (snapshot := _read(paths[int(step)], messages)) is not None
    ]
    for entry in found:
        if entry.pop("unequal"):
            messages.append(
                f"Step {entry['step']}: gradients of layers of another length than the first are not shown."
            )
    gaps = sum(entry.pop("gaps") for entry in found)
    if gaps:
        messages.append(f"{gaps:,} values of its inspections are NaN or infinite: they are shown as gaps.")
    return Inspected(found, messages)


def _read(path: Path, messages: list[str]) -> Snapshot | None:
    """The series a page shows; None, with a message, for a file that cannot be used."""
    try:
        found = read_inspection(path)
    except StorageError as error:
        messages.append(f"Left out: {error}")
        return None
    except OSError as error:
        messages.append(f"Left out: cannot read '{path}': {error.strerror}.")
        return None
    return {name: series for name, series in found.items() if _kind(name, series)}


def _kind(name: str, series: Series) -> str:
    """The last part of a name of the kinds that are shown; empty for others."""
    match = _LAYER.fullmatch(name)
    kind = match[3] if match else ""
    return kind if series.values.size and series.values.ndim == _SHOWN.get(kind) else ""


def _cost(series: Series) -> int:
    """Values that a series takes on the page."""
    return min(COLUMNS, series.values.size) if series.axes == ("time",) else series.values.size


def _entry(snapshot: Snapshot) -> dict[str, Any]:
    """One training step, encoded."""
    gradients = _of_kind(snapshot, "dh_norm")
    return {
        **_gradient(gradients),
        "unequal": len({len(values) for values in gradients.values()}) > 1,
        "spectrum": {layer: levels(values) for layer, values in _of_kind(snapshot, "eigenvalues").items()},
        "u": {layer: levels(values) for layer, values in _of_kind(snapshot, "u").items()},
        "gamma": {layer: levels(values) for layer, values in _of_kind(snapshot, "gamma").items()},
        "gaps": sum(_gaps(series.values) for series in snapshot.values()),
    }


def _gradient(norms: dict[str, Array]) -> dict[str, Any]:
    """log10 of the gradient norms: the largest of each stretch of time where there are more steps than columns."""
    encoded = {}
    length = len(next(iter(norms.values()), ()))
    for layer, values in norms.items():
        if len(values) != length:
            continue
        columns = largest(np.asarray(values, np.float64), COLUMNS)
        columns[columns < 0] = np.nan
        with np.errstate(divide="ignore"):
            encoded[layer] = levels(np.log10(columns))
    return {"gradient": encoded, "time": length}


def _of_kind(snapshot: Snapshot, kind: str) -> dict[str, Array]:
    """Values per layer, the lowest layer first; its name carries the direction of a bidirectional one."""
    found = [(match, series) for name, series in snapshot.items() if (match := _LAYER.fullmatch(name))]
    found = [(match, series) for match, series in found if match[3] == kind]
    found.sort(key=lambda pair: (int(pair[0][1]), pair[0][2] != "forward"))
    return {" ".join(part for part in (match[1], match[2]) if part): series.values for match, series in found}


def _gaps(values: Array) -> int:
    return int(values.size - np.isfinite(values).sum())
