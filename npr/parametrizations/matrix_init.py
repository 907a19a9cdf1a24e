"""Initial recurrent matrices (n, n) for training without a constraint, in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npr.initializers import glorot_normal, kaiming_normal, normal, uniform
from npr.parametrizations.expm import expm
from npr.parametrizations.skew import entries, skew
from npr.parametrizations.skew_init import SKEWS, Draw
from npr.params import Array
from npr.registry import chosen


def release(rng: np.random.Generator, size: int) -> Array:
    """exp(A), entries of A above the diagonal ~ U(-1/sqrt(n), 1/sqrt(n)): orthogonal, with angles up to 1.15 only.

    Source: nnRNN/nnRNN_release since a75761e, RNN_Cell.py, lines 57 to 76, where it happens by mistake.
    """
    bound = size**-0.5
    return expm(skew(rng.uniform(-bound, bound, entries(size)), size))[0]


def _exponential(draw: Draw) -> Draw:
    return lambda rng, size: expm(skew(draw(rng, size), size))[0]


MATRICES: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "glorot-normal": lambda rng, size: glorot_normal(rng, (size, size)),
    "kaiming-normal": lambda rng, size: kaiming_normal(rng, (size, size)),
    "fan-in": lambda rng, size: uniform(rng, (size, size), size**-0.5),  # torch.nn.LSTM
    "uniform-0.08": lambda rng, size: uniform(rng, (size, size), 0.08),  # char-rnn
    "normal-0.001": lambda rng, size: normal(rng, (size, size), 0.001),
    "identity": lambda rng, size: np.eye(size),  # arXiv 1504.00941
    "scaled-identity": lambda rng, size: 0.01 * np.eye(size),  # arXiv 1504.00941, speech
    "release": release,
} | {name: _exponential(draw) for name, draw in SKEWS.items() if name != "zero"}


def initial_matrix(name: str, rng: np.random.Generator, size: int) -> Array:
    """A recurrent matrix by one of the names in `MATRICES`; those of `SKEWS` stand for the exponential of that skew.

    Parameters
    ----------
    name : str
        Key of `MATRICES`.
    rng : np.random.Generator
        Source of the numbers.
    size : int
        n.

    Returns
    -------
    Array (n, n), float64

    Raises
    ------
    ConfigError
        If there is no such name.
    """
    return chosen("initial recurrent matrix", MATRICES, name)(rng, size)
