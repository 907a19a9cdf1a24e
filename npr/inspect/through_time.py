"""dL/dh_t and dL/da_t of every layer, unit and step, as the kernels that train compute them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.inspect.series import Series
from npr.inspect.subject import Subject
from npr.params import Array, Params

SERIES = ("time", "sequence", "unit")


class Observation(NamedTuple):
    """One forward and backward pass.

    Attributes
    ----------
    loss : float
        Value of the loss.
    gradients : dict of Array
        Of all parameters.
    series : dict of Series
        (time, sequence, unit), under "layers.<i>.<name>", in a network of two directions "layers.<i>.forward.<name>"
        and "layers.<i>.backward.<name>", the second in the order in which its cell reads:
        h; dh = dL/dh_t; delta = dL/da_t, of gated cells the gates side by side (i, f, g, o; r, z, n);
        of an LSTM c and dc = dL/dc_t, and of gated cells the gates' values under their letters.
        Zero after the end of a sequence.
    """

    loss: float
    gradients: Params
    series: dict[str, Series]


def observe(subject: Subject) -> Observation:
    """Look at one pass through a network.

    Parameters
    ----------
    subject : Subject
        The network and the batch.

    Returns
    -------
    Observation
        dL/dh_t is the whole derivative: through the output of step t, the layers above and all later steps.
    """
    s = subject
    ctx = s.context("h", "gates", "gradients")
    out = s.model.forward(ctx, s.params, s.buffers, s.x, s.state, s.lengths)
    loss, d_output = s.loss(out.output)
    gradients = s.model.backward(ctx, s.params, out.cache, d_output, input_gradient=False).params
    return Observation(loss, gradients, {name: Series(array, SERIES) for name, array in out.cache.kept.items()})


def norms(observation: Observation, ends: Array | None = None) -> dict[str, Series]:
    """Norms over sequences and units at every step.

    Parameters
    ----------
    observation : Observation
        From `observe`.
    ends : Array (B,) of int, optional
        Steps of every sequence.

    Returns
    -------
    dict of Series
        "<place>dh_norm", "<place>delta_norm", "<place>h_norm", of an LSTM "<place>dc_norm", each (time,). Where
        sequences differ in length also "<place>dh_from_end" (lag,): the root of the mean of ||dL/dh||^2 over the
        sequences that have a step so far from their own end; at a fixed t they are at different distances from it.
    """
    wanted, found = ("dh", "dc", "delta", "h"), {}
    for name, series in observation.series.items():
        last = name.rpartition(".")[2]
        if last in wanted:
            found[f"{name}_norm"] = series.norm("sequence", "unit")
        if last == "dh" and ends is not None and len(set(ends.tolist())) > 1:
            found[f"{name}_from_end"] = Series(_from_end(series.norm("unit").values, ends), ("lag",))
    return found


def _from_end(values: Array, ends: Array) -> Array:
    """Root mean square of values (T, B) by distance from the end of each sequence."""
    total, count = np.zeros(len(values)), np.zeros(len(values))
    for column, end in zip(values.T, ends, strict=True):
        total[:end] += column[:end][::-1] ** 2
        count[:end] += 1
    longest = int(ends.max())
    return np.sqrt(total[:longest] / count[:longest])


def unit_norms(observation: Observation) -> dict[str, Series]:
    """Norms of dL/dh_t over sequences, for every unit: "<place>dh_unit_norm" (time, unit)."""
    return {
        f"{name}_unit_norm": series.norm("sequence")
        for name, series in observation.series.items()
        if name.endswith(".dh")
    }
