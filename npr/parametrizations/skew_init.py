"""Initial skew-symmetric matrices, as vectors of the entries above the diagonal, in float64.

All but the Haar ones consist of 2 x 2 blocks [[0, s], [-s, 0]] on rows (0, 1), (2, 3), ...; an odd n leaves the
last row zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import schur

from npr.parametrizations.skew import above, block_entries, entries
from npr.params import Array
from npr.registry import chosen

Draw = Callable[[np.random.Generator, int], Array]


def henaff(rng: np.random.Generator, size: int) -> Array:
    """s ~ U(-pi, pi): exp(A) turns every plane by an angle from the whole circle.

    Source: arXiv 1602.06662; Lezcano/expRNN, initialization.py.
    """
    return _blocks(rng.uniform(-np.pi, np.pi, size // 2), size)


def henaff_release(rng: np.random.Generator, size: int) -> Array:
    """s ~ U(-pi, 0), as nnRNN/nnRNN_release, expRNN/initialization.py."""
    return _blocks(rng.uniform(-np.pi, 0, size // 2), size)


def cayley(rng: np.random.Generator, size: int) -> Array:
    """s = -tan(u/2), u ~ U(0, pi/2): under a Cayley map a rotation by u.

    Source: arXiv 1707.09520; Lezcano/expRNN, initialization.py.
    """
    return _blocks(-np.tan(rng.uniform(0, np.pi / 2, size // 2) / 2), size)


def haar(rng: np.random.Generator, size: int) -> Array:
    """log of a rotation drawn uniformly (Haar) from SO(n): Q sign(diag R) of a normal matrix, drawn until det > 0.

    Source: Mezzadri, Notices of the AMS 54 (2007).
    """
    return _rotation_log(rng, size, lambda q, r: np.diag(r))


def haar_release(rng: np.random.Generator, size: int) -> Array:
    """As `haar` but with sign(diag Q) for sign(diag R), which forces the diagonal of exp(A) to be positive.

    Source: nnRNN/nnRNN_release, expRNN/initialization.py, line 30.
    """
    return _rotation_log(rng, size, lambda q, r: np.diag(q))


def zero(rng: np.random.Generator, size: int) -> Array:
    """A = 0."""
    return np.zeros(entries(size))


SKEWS: dict[str, Draw] = {
    "henaff": henaff,
    "henaff-release": henaff_release,
    "cayley": cayley,
    "haar": haar,
    "haar-release": haar_release,
    "zero": zero,
}


def initial_skew(name: str, rng: np.random.Generator, size: int) -> Array:
    """Entries above the diagonal of a skew-symmetric matrix, by one of the names in `SKEWS`.

    Parameters
    ----------
    name : str
        Key of `SKEWS`.
    rng : np.random.Generator
        Source of the numbers.
    size : int
        n.

    Returns
    -------
    Array (n (n-1) / 2,), float64

    Raises
    ------
    ConfigError
        If there is no such name.
    """
    return chosen("initial skew matrix", SKEWS, name)(rng, size)


def _blocks(s: Array, size: int) -> Array:
    vector = np.zeros(entries(size))
    vector[block_entries(size)] = s
    return vector


def _rotation_log(rng: np.random.Generator, size: int, signs: Callable[[Array, Array], Array]) -> Array:
    """Upper triangle of log(q), q an orthogonal factor with its columns signed and det(q) > 0."""
    while True:
        q, r = np.linalg.qr(rng.normal(size=(size, size)))
        q *= np.sign(signs(q, r))
        if np.linalg.det(q) > 0:
            break
    # q is normal, so its Schur form is diagonal up to rounding and the principal logarithm is taken entry by entry.
    T, Z = schur(q, output="complex")
    log = ((Z * (1j * np.angle(np.diag(T)))) @ Z.conj().T).real
    return log.reshape(-1)[above(size, np)]
