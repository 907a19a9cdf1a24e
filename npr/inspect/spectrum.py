"""The recurrent matrix of every layer: eigenvalues, departure from normality, Schur form, memory, time constants."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from npr.cells.eurnn import written_out
from npr.inspect.series import Series, complex_parts
from npr.inspect.subject import Subject
from npr.params import Array

_RECURRENT = ("recurrent.W", "W_rec")


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
            found[name.removesuffix("u")] = np.diag(value.astype(np.float64))
    return found or _rotations(explicit)


def _rotations(s: Subject) -> dict[str, Array]:
    if not any(name.endswith(("theta", "theta_even")) for name in s.params):
        return {}
    cache = s.model.forward(s.context(), s.params, s.buffers, s.x[:1]).cache
    return {f"layers.{i}.": written_out(cache.run, own).astype(np.float64) for i, (own, _) in enumerate(cache.layers)}


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
            found[name] = Series(value.astype(np.float64), ("unit",))
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

    J(k) tells how well the input k steps back can be read from the state; for ||v|| = 1 a normal W has sum J <= 1.
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

    Source: Ganguli, Huh and Sompolinsky, PNAS 105 (2008), equation 3.
    """
    W, m = np.asarray(W, np.float64), np.asarray(v, np.float64)
    signals = np.empty((steps, len(m)))
    C, power = np.zeros_like(W), np.eye(len(m))
    for k in range(steps):
        signals[k] = m
        C += power.T @ power
        m, power = m @ W, power @ W
    factor = scipy.linalg.cho_factor(C)
    return Series(np.einsum("kn,nk->k", signals, scipy.linalg.cho_solve(factor, signals.T)), ("lag",))
