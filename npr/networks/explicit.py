"""A network with W_rec written out, where it would be computed anew from other parameters at every pass."""

from __future__ import annotations

from dataclasses import fields
from typing import cast

from npr.context import Model
from npr.networks.recurrent import DenseNetwork
from npr.networks.vanilla import RNN
from npr.parametrizations.placed import Placed
from npr.params import Buffers, Params, pack, prefixed


def explicit(model: Model, params: Params, buffers: Buffers) -> tuple[Model, Params, Buffers]:
    """The same function of the input as an `rnn` with parameters recurrent.W, if the model is of the dense family.

    A matrix exponential costs more than all else a single step does.
    """
    if not isinstance(model, DenseNetwork):
        return model, params, buffers
    shared = {entry.name: getattr(model, entry.name) for entry in fields(DenseNetwork)}
    written, dtype = dict(params), next(iter(params.values())).dtype
    starts = sorted({name.partition("recurrent.")[0] for name in params if "recurrent." in name})
    for start in (place + "recurrent." for place in starts):
        theta, kept = ({k[len(start) :]: v for k, v in a.items() if k.startswith(start)} for a in (params, buffers))
        written = {name: value for name, value in written.items() if not name.startswith(start)}
        written |= prefixed(start, {"W": Placed(model.parametrization()).forward(theta, kept)[0]})
    return cast(Model, RNN(**shared)), pack(written, dtype), {}
