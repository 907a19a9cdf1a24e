"""Weights of ResRNN as DoxasticFox/res-rnn stores them; theirs are (out, in), ours (in, out).

Source: res-rnn, nnmodules/__init__.py.
"""

from __future__ import annotations

import numpy as np

from npr.interop.network import Arrays, Layout, Network, NotExpressible, nothing_left, take
from npr.params import Array, Params

ABOUT = "ResRNN of DoxasticFox/res-rnn"
# Before our names of the stream's parameters.
PREFIX = "layers.0."
# Theirs, ours, whether transposed.
_NAMES = (
    ("initial_state", "s0", False),
    ("res.fc1.weight", "W1", True),
    ("res.fc1.bias", "b1", False),
    ("res.fc2.weight", "W2", True),
    ("res.fc2.bias", "b2", False),
)
_THEIRS = tuple(theirs for theirs, _, _ in _NAMES)


def to_npr(arrays: Arrays) -> Network:
    """Our parameters from theirs; n = input_size + hidden_size columns, the file does not tell the outputs.

    Raises
    ------
    ConfigError
        If a tensor is missing, left over or of another shape.
    """
    left = dict(arrays)
    n = arrays["res.fc1.weight"].shape[-1]
    state = take(left, "initial_state", (None,))
    shapes: dict[str, tuple[int | None, ...]] = {name: (n, n) if name.endswith("weight") else (n,) for name in _THEIRS}
    found = {"initial_state": state} | {name: take(left, name, shapes[name]) for name in _THEIRS[1:]}
    nothing_left(left, ABOUT)
    params = {PREFIX + ours: _turned(found[theirs], turn) for theirs, ours, turn in _NAMES}
    return Network(params, {"hidden_size": len(state)}, n - len(state), None)


def from_npr(params: Params) -> dict[str, Array]:
    """Their tensors from our parameters.

    Raises
    ------
    NotExpressible
        If the parameters are not exactly these.
    """
    if params.keys() != {PREFIX + ours for _, ours, _ in _NAMES}:
        raise NotExpressible(f"its parameters are {', '.join(sorted(params)[:6])}")
    return {theirs: _turned(params[PREFIX + ours], turn) for theirs, ours, turn in _NAMES}


def _turned(value: Array, turn: bool) -> Array:
    return np.array(value.T if turn else value, order="C")


LAYOUT = Layout(
    ABOUT,
    ("resrnn",),
    ("initial_state (S,)", "res.fc1.weight (n, n)", "res.fc1.bias (n,)", "res.fc2.weight (n, n)", "res.fc2.bias (n,)"),
    lambda arrays: {"res.fc1.weight", "initial_state"} <= arrays.keys() and arrays["res.fc1.weight"].ndim == 2,
    to_npr,
)
