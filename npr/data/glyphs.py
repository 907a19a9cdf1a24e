"""The ten digits as pen strokes in the unit square (x to the right, y down), in a few handwritings each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS = 128

Stroke = list[tuple[float, float]]


def arc(centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float) -> Stroke:
    """Part of an ellipse from angle `start` to `stop`, degrees; 0 points right, 90 down."""
    angles = np.radians(np.linspace(start, stop, 25))
    x = centre[0] + radii[0] * np.cos(angles)
    y = centre[1] + radii[1] * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


# Each digit: its handwritings; each handwriting: its strokes.
DIGITS: tuple[tuple[tuple[Stroke, ...], ...], ...] = (
    (
        (arc((0.5, 0.5), (0.30, 0.42), -90, 270),),
        (arc((0.5, 0.5), (0.22, 0.42), -60, 310),),
    ),
    (
        ([(0.5, 0.08), (0.5, 0.92)],),
        ([(0.34, 0.24), (0.52, 0.08), (0.52, 0.92)],),
        ([(0.34, 0.24), (0.5, 0.08), (0.5, 0.92)], [(0.3, 0.92), (0.7, 0.92)]),
    ),
    (
        ([*arc((0.48, 0.30), (0.26, 0.22), 190, 390), (0.22, 0.90), (0.80, 0.90)],),
        (
            [*arc((0.50, 0.28), (0.24, 0.20), 200, 400), (0.40, 0.72)],
            [*arc((0.34, 0.80), (0.13, 0.10), -60, -330), (0.56, 0.84), (0.82, 0.88)],
        ),
    ),
    (
        (arc((0.46, 0.29), (0.24, 0.21), 200, 440), arc((0.46, 0.70), (0.28, 0.21), -85, 160)),
        ([(0.24, 0.10), (0.72, 0.10), (0.46, 0.44)], arc((0.46, 0.68), (0.27, 0.24), -90, 160)),
    ),
    (
        ([(0.62, 0.92), (0.62, 0.08), (0.18, 0.64), (0.84, 0.64)],),
        ([(0.26, 0.10), (0.22, 0.50), (0.74, 0.48)], [(0.72, 0.10), (0.66, 0.92)]),
    ),
    (
        ([(0.74, 0.10), (0.32, 0.10), (0.28, 0.44), *arc((0.48, 0.66), (0.27, 0.25), -110, 150)],),
        (
            [(0.34, 0.10), (0.30, 0.46), *arc((0.48, 0.67), (0.25, 0.23), -100, 170)],
            [(0.34, 0.10), (0.78, 0.08)],
        ),
    ),
    (
        ([*arc((0.80, 0.62), (0.54, 0.54), -100, -180), *arc((0.50, 0.69), (0.24, 0.21), 180, -180)],),
        ([(0.56, 0.08), (0.34, 0.42), *arc((0.50, 0.70), (0.22, 0.20), 190, -170)],),
    ),
    (
        ([(0.20, 0.12), (0.78, 0.12), (0.42, 0.92)],),
        ([(0.20, 0.16), (0.76, 0.10), (0.46, 0.92)], [(0.38, 0.50), (0.74, 0.48)]),
    ),
    (
        (arc((0.5, 0.29), (0.21, 0.20), 90, 450), arc((0.5, 0.70), (0.26, 0.21), -90, 270)),
        (
            [
                *arc((0.5, 0.29), (0.20, 0.20), -30, -250),
                *arc((0.5, 0.70), (0.24, 0.21), -70, 250),
                (0.66, 0.20),
            ],
        ),
    ),
    (
        ([*arc((0.48, 0.31), (0.24, 0.22), 0, -360), (0.70, 0.92)],),
        ([*arc((0.48, 0.30), (0.22, 0.21), -20, -360), *arc((0.36, 0.50), (0.36, 0.42), -20, 100)],),
    ),
)


def trace(strokes: tuple[Stroke, ...], count: int = POINTS) -> NDArray[np.float64]:
    """Points spread evenly along strokes, pen lifts left out; (count, 2)."""
    starts = np.concatenate([np.array(stroke[:-1]) for stroke in strokes])
    steps = np.concatenate([np.diff(np.array(stroke), axis=0) for stroke in strokes])
    ends = np.cumsum(np.hypot(*steps.T))
    where = (np.arange(count) + 0.5) / count * ends[-1]
    segment = np.searchsorted(ends, where)
    lengths = np.diff(ends, prepend=0.0)[segment]
    share = 1.0 - (ends[segment] - where) / lengths
    return starts[segment] + share[:, None] * steps[segment]
