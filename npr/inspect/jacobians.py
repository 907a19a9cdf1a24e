"""Jacobians of single steps, and how fast gradients grow or vanish along their product.

J_t[i, j] = d s_t[i] / d s_{t-1}[j], s the state of one recurrent layer (of an LSTM [h | c]) with the layer's input held
fixed: the diagonal block of that layer in the Jacobian of the whole network, which is block triangular. Rows come from
backward passes over one step, one for each row, so that they hold for every network there is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from npr.inspect.series import Series
from npr.inspect.subject import Subject
from npr.inspect.unrolled import Part, Unrolled
from npr.params import Array


def step_jacobians(subject: Subject, times: Sequence[int] | None = None, sequence: int = 0) -> dict[str, Series]:
    """J_t of every layer, for one sequence.

    Parameters
    ----------
    subject : Subject
        The network and the batch.
    times : sequence of int, optional
        Steps t, 1 to T - 1 (from 0: the first has no state before it); all of them if not given.
    sequence : int
        Which sequence of the batch.

    Returns
    -------
    dict of Series
        "layers.<i>.jacobian" (time, to, from): one matrix for every entry of `times`.
    """
    unrolled = _unclipped(subject).only(sequence)
    found: list[list[Array]] = [[] for _ in unrolled.sizes]
    for t in times if times is not None else range(1, unrolled.subject.steps):
        rows = _pulled(unrolled, t, [np.eye(n) for n in unrolled.sizes])
        for layer, J in zip(found, rows, strict=True):
            layer.append(J)
    return {f"layers.{i}.jacobian": Series(np.array(J), ("time", "to", "from")) for i, J in enumerate(found)}


def singular_values(jacobians: dict[str, Series]) -> dict[str, Series]:
    """Singular values of step Jacobians, "layers.<i>.singular_values" (time, value), largest first; NaN where a state
    has overflowed."""
    found = {}
    for name, series in jacobians.items():
        values = np.full(series.values.shape[:2], np.nan)
        sound = np.isfinite(series.values).all((1, 2))
        values[sound] = np.linalg.svd(series.values[sound], compute_uv=False)
        found[name.replace("jacobian", "singular_values")] = Series(values, ("time", "value"))
    return found


def growth_rates(subject: Subject, count: int = 16, sequence: int = 0, last: int | None = None) -> dict[str, Series]:
    """Finite-time Lyapunov exponents of the gradient, nats per step.

    Orthonormal vectors are carried backwards through J_T^T, J_{T-1}^T, ... and orthonormalised again after every step,
    V_{t-1} R_t = J_t^T V_t; the exponents are the means of ln |diag R_t|. Negative: the gradient vanishes at that rate;
    positive: it explodes. The matrices from step 2 on take part; the vectors at the end are drawn with a fixed seed.

    Parameters
    ----------
    subject : Subject
        The network and the batch.
    count : int
        Exponents per layer, at most as many as its state has entries.
    sequence : int
        Which sequence of the batch.
    last : int, optional
        Only so many steps at the end of the sequence; all of them if not given.

    Returns
    -------
    dict of Series
        "layers.<i>.growth" (exponent,), largest first.

    Source: Benettin et al., Meccanica 15 (1980); Engelken, Wolf and Abbott, arXiv 2006.02427.
    """
    unrolled = _unclipped(subject).only(sequence)
    rng = np.random.default_rng(0)
    rows = [np.linalg.qr(rng.normal(size=(n, min(count, n))))[0].T for n in unrolled.sizes]
    total = [np.zeros(len(V)) for V in rows]
    steps = range(unrolled.subject.steps - 1, 0, -1)[:last]
    for t in steps:
        rows = _pulled(unrolled, t, rows)
        for i, V in enumerate(rows):
            Q, R = np.linalg.qr(V.astype(np.float64).T)
            with np.errstate(divide="ignore", invalid="ignore"):
                total[i] += np.log(np.abs(np.diag(R)))
            rows[i] = Q.T
    return {
        f"layers.{i}.growth": Series(np.sort(sums / max(1, len(steps)))[::-1], ("exponent",))
        for i, sums in enumerate(total)
    }


def _unclipped(subject: Subject) -> Unrolled:
    """Without a clip of the gradient, which is no part of the derivative."""
    if getattr(subject.model, "step_clip", 0.0):
        subject = subject._replace(model=dataclasses.replace(subject.model, step_clip=0.0))  # type: ignore[type-var]
    return Unrolled(subject)


def _pulled(unrolled: Unrolled, t: int, vectors: list[Array]) -> list[Array]:
    """v J_t for the rows v (k, n) of every layer, in one backward pass over step t."""
    before, dtype = unrolled.before(t), next(iter(unrolled.subject.params.values())).dtype
    count = sum(len(V) for V in vectors)
    ends = np.cumsum([len(V) for V in vectors])
    own = [slice(end - len(V), end) for end, V in zip(ends, vectors, strict=True)]
    seeds = []
    for V, part in zip(vectors, own, strict=True):
        seed = np.zeros((count, V.shape[1]), dtype)
        seed[part] = V
        seeds.append(seed)
    copies = tuple(np.repeat(h, count, axis=0) for h in before or ())
    x = np.repeat(unrolled.subject.x[t : t + 1], count, axis=1)
    found = unrolled.back(Part(t, x, copies), None, tuple(seeds)).state
    return [g[part] for g, part in zip(found, own, strict=True)]
