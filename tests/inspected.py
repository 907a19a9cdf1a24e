"""Small networks to look at, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from npr import build, registry
from npr.backends import get_backend
from npr.gradcheck_cases import Case, draw_point, options_for
from npr.inspect import Subject

MODELS = registry.models.names()


def subject(name: str, steps: int = 6, batch: int = 3, ragged: bool = False, **options: Any) -> Subject:
    """A model away from its special starting values; the loss is a random quadratic form of the output."""
    case = Case("inspected", {"norm": "none", "layers": 2, "readout": "last", **options}, steps, batch, ragged)
    point = draw_point(build(name, **options_for(name, case, {})), case, (5, *name.encode()))
    aim = np.random.default_rng(6).normal(size=point.d_output.shape)

    def loss(output: np.ndarray) -> tuple[float, np.ndarray]:
        return float(((output - aim) ** 2).sum()), 2 * (output - aim)

    buffers = {key: value + 0.1 for key, value in point.buffers.items()}
    if point.lengths is not None and aim.ndim == 3:
        aim *= (np.arange(steps)[:, None] < point.lengths)[..., None]
    return Subject(point.model, point.params, buffers, point.x, loss, get_backend("cpu"), None, point.lengths)
