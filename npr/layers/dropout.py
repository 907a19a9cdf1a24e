"""Inverted dropout with one mask per sequence and unit, the same at every step. Source: arXiv 1512.05287."""

from __future__ import annotations

import numpy as np

from npr.context import Pass
from npr.errors import ConfigError

Array = np.ndarray


def draw_mask(run: Pass, rate: float, size: int) -> Array | None:
    """Mask (S, R, size) with values 0 and 1 / (1 - rate); None where dropout is off; errors as in `draw_factors`."""
    factors = run.once("mask", lambda: draw_factors(run, rate, (run.slicing.batch, size)))
    return None if factors is None else run.slicing.split_rows(factors)


def draw_factors(run: Pass, rate: float, shape: tuple[int, int]) -> Array | None:
    """Values 0 and 1 / (1 - rate), an array of `shape`; None where dropout is off.

    Raises
    ------
    ConfigError
        If they are needed and the context has no random generator.
    """
    if rate == 0.0 or not run.context.dropout:
        return None
    rng = run.context.rng
    if rng is None:
        raise ConfigError("dropout needs a random generator: pass Context(rng=numpy.random.default_rng(seed))")
    kept = rng.random(shape, np.float32) >= rate
    return run.context.backend.put(kept.astype(run.dtype) / run.dtype.type(1.0 - rate))
