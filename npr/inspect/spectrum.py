"""The recurrent matrix of every layer: eigenvalues, departure from normality, Schur form, memory, time constants."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from npr.cells.eurnn import written_out
from npr.inspect.series import Series, complex_parts
from npr.inspect.subject import Subject
from npr.params import Array

_RECURRENT = ("recurrent.W", "W_rec")
_WELL, _ILL = 1e6, 1e8  # condition numbers up to which eight digits of J are sure


def recurrent_matrices(subject: Subject) -> dict[str, Array]:
    """W (n, n) with h_{t-1} W of every layer, in float64.

    Parameters
    ----------
    subject : Subject
        The network; of the batch one step is used.

    Returns
    -------
    dict of Array
        Under "layers.<i>."; of gated cells one for each gate, "layers.<i>.<gate>."; of EURNN the matrix (2n, 2n) for
        states [Re | Im]; of IndRNN the diagonal matrix of u. ResRNN has none.
    """
    explicit = subject.written_out()
    found = {}
    for name, value in explicit.params.items():
        for end in _RECURRENT:
            if name.endswith("." + end):
                found[name.removesuffix(end)] = value.astype(np.float64)
        if name.endswith(".u"):
            found[name.removesuffix("u")] = np.diag(_effective(explicit, value))
    return found or _rotations(explicit)


def _rotations(s: Subject) -> dict[str, Array]:
    if not any(name.endswith(("theta", "theta_even")) for name in s.params):
        return {}
    cache = s.model.forward(s.context(), s.params, s.buffers, s.x[:1]).cache
    found = {}
    for i, (own, _) in enumerate(cache.layers):
        both = {"forward.": own.ahead, "backward.": own.back} if hasattr(own, "ahead") else {"": own}
        for direction, single in both.items():
            found[f"layers.{i}.{direction}"] = written_out(cache.run, single).astype(np.float64)
    return found


def _effective(s: Subject, u: Array) -> Array:
    """The u that the recurrence uses, where the network clips it in its graph."""
    return s.model.range_of_u().effective(u).astype(np.float64) if hasattr(s.model, "range_of_u") else u


def eigenvalues(matrices: dict[str, Array]) -> dict[str, Series]:
    """ "<place>eigenvalues" (value, part), real and imaginary, largest absolute value first."""
    return {f"{place}eigenvalues": complex_parts(np.linalg.eigvals(W)) for place, W in matrices.items()}


def departure(W: Array) -> float:
    """Henrici's departure from normality, relative: sqrt(||W||_F^2 - sum |lambda_i|^2) / ||W||_F.

    0 for a normal matrix (orthogonal ones among them), near 1 for one that is almost nilpotent: then gradients can
    grow over some steps although no eigenvalue is above 1.

    Source: Henrici, Numer. Math. 4 (1962); Trefethen and Embree, Spectra and Pseudospectra (2005), section 48.
    """
    _, T = schur_form(W)
    whole = float(np.square(np.abs(T)).sum())
    # The strict upper triangle itself: the difference of two large numbers would cancel.
    return float(np.linalg.norm(np.triu(T, 1)) / np.sqrt(whole)) if whole else 0.0


def schur_form(W: Array) -> tuple[Array, Array]:
    """Complex Schur form: unitary Q and upper triangular T with W = Q T Q^H."""
    T, Q = scipy.linalg.schur(W, output="complex")
    return Q, T


def own_parts(subject: Subject) -> dict[str, Series]:
    """What a model's own parametrisation shows: IndRNN's u (unit,), the gamma (value,) and the feed-forward part T of
    nnRNN's Schur form, the latter as its norm (), each under its place."""
    found = {}
    for name, value in subject.params.items():
        place, _, last = name.rpartition(".")
        if last == "u":
            found[name] = Series(_effective(subject, value), ("unit",))
        elif last == "gamma" and place.endswith("recurrent"):
            found[place.removesuffix("recurrent") + "gamma"] = Series(value.astype(np.float64), ("value",))
        elif last == "T" and place.endswith("recurrent"):
            size = np.linalg.norm(value.astype(np.float64))
            found[place.removesuffix("recurrent") + "feed_forward_norm"] = Series(np.array(size), ())
    return found


def time_constants(u: Array) -> Array:
    """Steps after which a unit's own state has fallen to 1/e: -1 / ln |u|; infinite where |u| >= 1, 0 where u = 0."""
    with np.errstate(divide="ignore"):
        rate = -np.log(np.abs(np.asarray(u, np.float64)))
        return np.where(rate > 0, 1 / np.where(rate > 0, rate, 1), np.inf)


def fisher_memory(W: Array, v: Array, steps: int) -> Series:
    """Fisher memory curve of the linear network h_t = h_{t-1} W + s_t v + noise of unit variance.

        J(k) = m_k C^{-1} m_k^T,   m_k = v W^k,   C = sum over k < steps of (W^k)^T W^k

    J(k) tells how well the input k steps back can be read from the state; for ||v|| = 1 a normal W has sum J = 1.
    Noise older than `steps` is left out, so that C exists for an orthogonal W too: then J(k) = 1 / steps.

    Parameters
    ----------
    W : Array (n, n)
        Recurrent matrix.
    v : Array (n,)
        Direction of the input.
    steps : int
        K.

    Returns
    -------
    Series
        J (lag,), lags 0 to K - 1.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the directions of the noise differ too much in size for float64 to tell J.

    Source: Ganguli, Huh and Sompolinsky, PNAS 105 (2008), equation 3.
    """
    W, m = np.asarray(W, np.float64), np.asarray(v, np.float64)
    n = len(m)
    signals, powers = np.empty((steps, n)), np.empty((steps, n, n))
    power = np.eye(n)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(steps):
            signals[k], powers[k] = m, power
            m, power = m @ W, power @ W
    R = _factor(powers)
    return Series(np.square(scipy.linalg.solve_triangular(R, signals.T, trans="T")).sum(0), ("lag",))


def _factor(powers: Array) -> Array:
    """Upper triangular R with C = R^T R, C the sum of P^T P over the powers P (K, n, n)."""
    n = powers.shape[2]
    if not np.isfinite(powers).all():
        raise np.linalg.LinAlgError("powers of W overflow")
    C = np.tensordot(powers, powers, axes=([0, 1], [0, 1]))
    if np.linalg.cond(C) < _WELL:
        return scipy.linalg.cholesky(C)
    # Squares lose half of the digits: where that matters the powers themselves are factored.
    R: Array = np.linalg.qr(powers.reshape(-1, n))[1]
    if np.linalg.cond(R) > _ILL:
        raise np.linalg.LinAlgError("the noise is too uneven")
    return R
