"""How much every time step contributes to the gradient of every parameter."""

from __future__ import annotations

import numpy as np

from npr.context import State
from npr.inspect.series import Series
from npr.inspect.subject import Subject
from npr.inspect.unrolled import Unrolled
from npr.params import Array, Params


def parameter_shares(subject: Subject) -> dict[str, Series]:
    """Gradients of the parameters split by the step at which the parameter acts.

        g = sum over t of g_t,   norm_t = ||g_t||,   share_t = <g_t, g> / <g, g>, which add up to 1

    A share is negative where a step pulls against the whole. Of the dense family W_rec is looked at as the matrix
    recurrent.W, whatever stands behind it; batch norm uses its stored statistics.

    Parameters
    ----------
    subject : Subject
        The network and the batch.

    Returns
    -------
    dict of Series
        "<parameter>.step_norm" and "<parameter>.share", each (time,), and "<parameter>.norm" ().

    Raises
    ------
    ConfigError
        If the network reads in both directions.
    """
    unrolled = Unrolled(subject)
    whole = _whole(unrolled.subject)
    count = subject.steps
    norms = {name: np.zeros(count) for name in whole}
    dots = {name: np.zeros(count) for name in whole}
    for t, own in _steps(unrolled):
        for name, g in own.items():
            norms[name][t] = np.linalg.norm(g)
            dots[name][t] = np.vdot(g, whole[name])
    found = {}
    for name, g in whole.items():
        square = float(np.vdot(g, g))
        found[f"{name}.norm"] = Series(np.sqrt(np.array(square)), ())
        found[f"{name}.step_norm"] = Series(norms[name], ("time",))
        found[f"{name}.share"] = Series(dots[name] / square if square else np.zeros(count), ("time",))
    return found


def _whole(s: Subject) -> Params:
    out = s.model.forward(s.context(), s.params, s.buffers, s.x, s.state, s.lengths)
    d_output = s.loss(out.output)[1]
    return s.model.backward(s.context(), s.params, out.cache, d_output, input_gradient=False).params


def _steps(unrolled: Unrolled):
    """(t, gradients of step t), from the last to the first."""
    s = unrolled.subject
    d_output = _per_step(unrolled)
    last = unrolled.states[-1]
    carried: State = tuple(np.zeros_like(h) for h in last or ())
    for t in range(s.steps - 1, -1, -1):
        going_on = (t < s.ends)[:, None]
        inside = tuple(np.where(going_on, part, 0).astype(part.dtype) for part in carried)
        d = np.where(going_on, d_output(t), 0).astype(s.params[next(iter(s.params))].dtype)
        back = unrolled.back(t, s.x[t : t + 1], unrolled.states[t], d, inside)
        carried = tuple(np.where(going_on, new, old) for new, old in zip(back.state, carried, strict=True))
        yield t, back.params


def _per_step(unrolled: Unrolled):
    """dL/doutput (B, K) of a step, as a function of it."""
    s = unrolled.subject
    outputs = np.stack(unrolled.outputs)
    if getattr(s.model, "readout", "last") == "every":
        whole = s.loss(outputs)[1]
        return lambda t: whole[t]
    ends = s.ends - 1
    final: Array = s.loss(outputs[ends, np.arange(len(ends))])[1]
    return lambda t: np.where((ends == t)[:, None], final, 0)
