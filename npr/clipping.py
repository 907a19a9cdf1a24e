"""Clipping of gradients, entry by entry and by their global norm."""

from __future__ import annotations

import math

import numpy as np

from npr.params import Array, Params, flat_of


def clip(grads: Params, value: float = 0.0, norm: float = 0.0) -> float:
    """Limit the gradients in place: entries to +-value first, then the norm by the factor min(1, c / (norm + 1e-6)).

    Gradients that are not all finite stay as they are, so that the culprit can be found.

    Parameters
    ----------
    grads : dict of Array
        Views of one flat buffer.
    value, norm : float
        Largest absolute value of an entry, and largest global L2 norm; 0 for no limit.

    Returns
    -------
    float
        Global L2 norm before any clipping, accumulated in float64; NaN or infinite if an entry is.

    Source: torch.nn.utils.clip_grad_norm_, which ResRNN trains with.
    """
    g = flat_of(grads)
    before = after = _norm(g)
    if not np.isfinite(before):
        return before
    if value:
        np.clip(g, -value, value, out=g)
        after = _norm(g)
    if norm and after + 1e-6 > norm:
        g *= norm / (after + 1e-6)
    return before


def global_norm(named: Params) -> float:
    """L2 norm over all arrays, views of one flat buffer, accumulated in float64 in a fixed order."""
    return _norm(flat_of(named))


def _norm(flat: Array) -> float:
    from npr.kernels.update import kernels_for

    return math.sqrt(kernels_for(flat).sum_of_squares(flat))
