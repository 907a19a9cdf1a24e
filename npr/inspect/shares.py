"""How much every time step contributes to the gradient of every parameter."""

from __future__ import annotations

import numpy as np

from npr.context import State
from npr.inspect.series import Series
from npr.inspect.subject import Subject
from npr.inspect.unrolled import Part, Unrolled
from npr.params import Array, Params


def parameter_shares(subject: Subject, chunk: int = 1) -> dict[str, Series]:
    """Gradients of the parameters split by the step at which the parameter acts.

        g = sum over t of g_t,   norm_t = ||g_t||,   share_t = <g_t, g> / <g, g>, which add up to 1

    A share is negative where a step pulls against the whole. Of the dense family W_rec is looked at as the matrix
    recurrent.W, whatever stands behind it; batch norm uses its stored statistics.

    Parameters
    ----------
    subject : Subject
        The network and the batch.
    chunk : int
        Steps that are taken together as one, the first one (T mod chunk) shorter if it does not come out even.

    Returns
    -------
    dict of Series
        "<parameter>.step_norm" and "<parameter>.share", each (time,) with an entry per chunk, "<parameter>.norm" ().

    Raises
    ------
    ConfigError
        If the network reads in both directions.
    """
    unrolled = Unrolled(subject)
    s = unrolled.subject
    d_output = s.loss(unrolled.output)[1]
    whole = _gradient(s, d_output)
    ends = list(range(s.steps, 0, -chunk))[::-1]
    norms = {name: np.zeros(len(ends)) for name in whole}
    dots = {name: np.zeros(len(ends)) for name in whole}
    for k, own in _chunks(unrolled, d_output, ends):
        for name, g in own.items():
            norms[name][k] = np.linalg.norm(g)
            dots[name][k] = np.vdot(g, whole[name])
    found = {}
    for name, g in whole.items():
        square = float(np.vdot(g, g))
        found[f"{name}.norm"] = Series(np.sqrt(np.array(square)), ())
        found[f"{name}.step_norm"] = Series(norms[name], ("time",))
        found[f"{name}.share"] = Series(dots[name] / square if square else np.zeros(len(ends)), ("time",))
    return found


def _gradient(s: Subject, d_output: Array) -> Params:
    out = s.model.forward(s.context(), s.params, s.buffers, s.x, s.state, s.lengths)
    return s.model.backward(s.context(), s.params, out.cache, d_output, input_gradient=False).params


def _chunks(unrolled: Unrolled, d_output: Array, ends: list[int]):
    """(k, gradients of the steps up to ends[k] from the end before), from the last to the first."""
    s = unrolled.subject
    carried: State = tuple(np.zeros((s.x.shape[1], n), d_output.dtype) for n in unrolled.sizes)
    for k in range(len(ends) - 1, -1, -1):
        start, end = ends[k - 1] if k else 0, ends[k]
        alive = np.flatnonzero(s.ends > start)
        steps = np.minimum(s.ends[alive], end) - start
        # A sequence that ends within the chunk keeps its state to the chunk's end, and so its gradient.
        before = unrolled.before(start)
        part = Part(start, s.x[start:end, alive], None if before is None else tuple(h[alive] for h in before), steps)
        d = _arriving(unrolled, d_output, alive, (start, end))
        back = unrolled.back(part, d, tuple(g[alive] for g in carried))
        carried = tuple(g.copy() for g in carried)
        for g, new in zip(carried, back.state, strict=True):
            g[alive] = new
        yield k, back.params


def _arriving(unrolled: Unrolled, d_output: Array, alive: Array, span: tuple[int, int]) -> Array:
    """dL/doutput of the steps of a chunk, of the sequences that are not over before it."""
    start, end = span
    if d_output.ndim == 3:
        return d_output[start:end, alive]
    return np.where((unrolled.subject.ends[alive] <= end)[:, None], d_output[alive], 0).astype(d_output.dtype)
