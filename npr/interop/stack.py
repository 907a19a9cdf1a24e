"""Layers of RNN, LSTM or GRU cells above each other and a linear readout, in the conventions of three libraries.

Foreign weights are (out, in) and hold all gates of a layer in one matrix; ours are (in, out), one array per gate.
Source: documentation of torch.nn.RNN, LSTM and GRU; char-rnn, model/LSTM.lua; chainer, functions/activation/lstm.py
(chainer-char-rnn, CharRNN.py).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from npr.interop.network import Arrays, Layout, Network, NotExpressible, nothing_left, take
from npr.params import Array, Params


class Naming(NamedTuple):
    """Names of one layer's tensors; "{i}" is its number, counted from `first`, "{top}" one more than the last.

    readout and readout_bias may be empty: then every other name on ".weight" and ".bias" will do.
    """

    W_in: str
    W_rec: str
    bias: str
    bias_rec: str
    first: int
    readout: str = ""
    readout_bias: str = ""
    embedding: str = ""


class Convention(NamedTuple):
    """How a library stores such a network.

    about : what it is, for messages
    naming : of tensors
    gates : our names of the gates in the order of the file; ("",) for a cell without gates
    interleaved : whether the gates of a unit follow each other (row 4u + k), instead of whole blocks
    apart : gates whose two biases act in different places and are never summed
    prefix : before the names of the recurrent part in a file that we write
    models : registry names
    """

    about: str
    naming: Naming
    gates: tuple[str, ...]
    interleaved: bool = False
    apart: tuple[str, ...] = ()
    prefix: str = ""
    models: tuple[str, ...] = ()


_TORCH = Naming("weight_ih_l{i}", "weight_hh_l{i}", "bias_ih_l{i}", "bias_hh_l{i}", 0)
_CHAR_RNN = Naming(
    "i2h_{i}.weight", "h2h_{i}.weight", "i2h_{i}.bias", "h2h_{i}.bias", 1, "decoder.weight", "decoder.bias"
)
_CHAINER = Naming("l{i}_x.W", "l{i}_h.W", "l{i}_x.b", "l{i}_h.b", 1, "l{top}.W", "l{top}.b", "embed.W")

DENSE = ("rnn", "rnn-relu", "rnn-orth", "irnn")
CONVENTIONS = {
    "torch-rnn": Convention("torch.nn.RNN", _TORCH, ("",), prefix="rnn.", models=DENSE),
    "torch-lstm": Convention("torch.nn.LSTM", _TORCH, ("i", "f", "g", "o"), prefix="lstm.", models=("lstm",)),
    "torch-gru": Convention("torch.nn.GRU", _TORCH, ("r", "z", "n"), apart=("n",), prefix="gru.", models=("gru",)),
    "char-rnn-lstm": Convention("LSTM of char-rnn", _CHAR_RNN, ("i", "f", "o", "g"), models=("lstm",)),
    "chainer-lstm": Convention("LSTM of chainer-char-rnn", _CHAINER, ("g", "i", "f", "o"), True, models=("lstm",)),
}  # fmt: skip


def to_npr(convention: Convention, arrays: Arrays) -> Network:
    """A network under npr's names, with both biases of every gate, from a library's tensors.

    Parameters
    ----------
    convention : Convention
        Of the library.
    arrays : mapping
        Its tensors; the recurrent part may have a prefix like "rnn.".

    Returns
    -------
    Network

    Raises
    ------
    ConfigError
        If a tensor is missing, left over or of another shape.
    """
    naming, left = convention.naming, dict(arrays)
    prefix, depth = found_layers(naming, arrays)
    params: Params = {}
    blocks, above = len(convention.gates), None
    hidden = arrays[_name(prefix, naming.W_rec, naming.first)].shape[-1]
    for i in range(depth):
        names = _Four(*(_name(prefix, template, naming.first + i) for template in naming[:4]))
        W_in = take(left, names.W_in, (blocks * hidden, above))
        W_rec = take(left, names.W_rec, (blocks * hidden, hidden))
        above = hidden
        for gate, rows in split(W_in, convention).items():
            params[_ours(i, gate).W_in] = np.ascontiguousarray(rows.T)
        for gate, rows in split(W_rec, convention).items():
            params[_ours(i, gate).W_rec] = np.ascontiguousarray(rows.T)
        for name, which in ((names.bias, "bias"), (names.bias_rec, "bias_rec")):
            found = {} if name not in left else split(take(left, name, (blocks * hidden,)), convention)
            params |= {getattr(_ours(i, gate), which): np.array(part) for gate, part in found.items()}
    notes = _fold_embedding(naming, left, params, convention.gates)
    params |= _readout(naming, left, hidden, naming.first + depth)
    nothing_left(left, convention.about)
    options: dict[str, Any] = {"hidden_size": hidden, "layers": depth}
    if convention.gates == ("",):
        options["rec_bias"] = "layers.0.bias" in params
    sizes = (params[_ours(0, convention.gates[0]).W_in].shape[0], params["readout.W"].shape[1])
    return Network(params, options, *sizes, notes=notes)


def from_npr(convention: Convention, params: Params) -> dict[str, Array]:
    """A library's tensors from npr's parameters: the inverse of `to_npr`.

    A gate with one bias gives it to the input side; the recurrent side gets zeros.

    Parameters
    ----------
    convention : Convention
        Of the library.
    params : Params
        Under npr's names.

    Returns
    -------
    dict of str to Array

    Raises
    ------
    NotExpressible
        If the library has no place for a parameter.
    """
    left, naming = dict(params), convention.naming
    arrays: dict[str, Array] = {}
    depth = len({name.split(".")[1] for name in params if name.startswith("layers.")})
    for i in range(depth):
        names = _Four(*(_name(convention.prefix, template, naming.first + i) for template in naming[:4]))
        taken = {gate: [left.pop(name, None) for name in _ours(i, gate)] for gate in convention.gates}
        arrays[names.W_in] = stacked([_needed(taken[gate][0], "W_in").T for gate in convention.gates], convention)
        arrays[names.W_rec] = stacked([_needed(taken[gate][1], "W_rec").T for gate in convention.gates], convention)
        if any(parts[2] is not None or parts[3] is not None for parts in taken.values()):
            lacking = [gate for gate in convention.apart if taken[gate][3] is None]
            if lacking:
                raise NotExpressible(f"gate '{lacking[0]}' has no bias of its own on the recurrent side")
            zero = np.zeros(arrays[names.W_rec].shape[1], arrays[names.W_rec].dtype)
            for name, which in ((names.bias, 2), (names.bias_rec, 3)):
                biases = (taken[gate][which] for gate in convention.gates)
                arrays[name] = stacked([zero if bias is None else bias for bias in biases], convention)
    top = naming.first + depth
    arrays[(naming.readout or "readout.weight").format(top=top)] = _needed(left.pop("readout.W", None), "readout.W").T
    arrays[(naming.readout_bias or "readout.bias").format(top=top)] = left.pop("readout.bias")
    if left:
        raise NotExpressible(f"it has no place for {', '.join(sorted(left)[:4])}")
    return {name: np.ascontiguousarray(value) for name, value in arrays.items()}


def split(value: Array, convention: Convention) -> dict[str, Array]:
    """Rows of every gate, (N, ...) each, of an array (K N, ...)."""
    gates = convention.gates
    if convention.interleaved:
        return {gate: value[k :: len(gates)] for k, gate in enumerate(gates)}
    return dict(zip(gates, np.split(value, len(gates)), strict=True))


def stacked(parts: list[Array], convention: Convention) -> Array:
    """The array (K N, ...) whose gates are `parts`: the inverse of `split`."""
    if convention.interleaved:
        return np.stack(parts, axis=1).reshape(-1, *parts[0].shape[1:])
    return np.concatenate(parts)


def found_layers(naming: Naming, arrays: Arrays) -> tuple[str, int]:
    """Prefix of the recurrent part and number of layers; 0 layers if the names are not these."""
    first = naming.W_rec.format(i=naming.first)
    prefixes = [name.removesuffix(first) for name in arrays if name.endswith(first)]
    prefixes = [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]
    if len(prefixes) != 1 or arrays[prefixes[0] + first].ndim != 2:
        return "", 0
    depth = 1
    while _name(prefixes[0], naming.W_rec, naming.first + depth) in arrays:
        depth += 1
    return prefixes[0], depth


def fits(convention: Convention, arrays: Arrays) -> bool:
    """Whether the names are those of the convention, and the gates as many."""
    prefix, depth = found_layers(convention.naming, arrays)
    if not depth:
        return False
    rows, columns = arrays[_name(prefix, convention.naming.W_rec, convention.naming.first)].shape
    return bool(columns) and rows == len(convention.gates) * columns


def layout(convention: Convention) -> Layout:
    """The entry for the table of layouts."""
    naming, blocks = convention.naming, len(convention.gates)
    rows = f"{blocks}N" if blocks > 1 else "N"
    expected = (
        f"{naming.W_in} ({rows}, D)",
        f"{naming.W_rec} ({rows}, N)",
        f"{naming.bias} and {naming.bias_rec} ({rows},)",
        f"{naming.readout or '<any>.weight'} (O, N)",
        f"{naming.readout_bias or '<any>.bias'} (O,)",
    )
    return Layout(
        f"{convention.about} with a linear readout",
        convention.models,
        expected,
        lambda arrays: fits(convention, arrays),
        lambda arrays: to_npr(convention, arrays),
    )


class _Four(NamedTuple):
    """The tensors of a layer or gate."""

    W_in: str
    W_rec: str
    bias: str
    bias_rec: str


def _ours(layer: int, gate: str) -> _Four:
    """npr's names for one gate, or for a layer without gates."""
    if not gate:
        names = ("W_in", "recurrent.W", "bias", "bias_rec")
        return _Four(*(f"layers.{layer}.{name}" for name in names))
    return _Four(*(f"layers.{layer}.{gate}.{name}" for name in _Four._fields))


def _name(prefix: str, template: str, number: int) -> str:
    return prefix + template.format(i=number)


def _readout(naming: Naming, left: dict[str, Array], hidden: int, top: int) -> Params:
    """Our readout from the linear map that is left; without a bias it gets zeros."""
    name, bias = naming.readout.format(top=top), naming.readout_bias.format(top=top)
    if not name:
        others = [key for key in left if re.fullmatch(r"(.+\.)?weight", key) and left[key].ndim == 2]
        name = others[0] if len(others) == 1 else "<readout>.weight"
        bias = name.removesuffix("weight") + "bias"
    W = take(left, name, (None, hidden))
    own = take(left, bias, (W.shape[0],)) if bias in left else np.zeros(W.shape[0], W.dtype)
    return {"readout.W": np.ascontiguousarray(W.T), "readout.bias": own}


def _fold_embedding(naming: Naming, left: dict[str, Array], params: Params, gates: tuple[str, ...]) -> tuple[str, ...]:
    """One-hot symbols times (E W_in) are the embedding E followed by W_in."""
    if not naming.embedding or naming.embedding not in left:
        return ()
    E = take(left, naming.embedding, (None, params[_ours(0, gates[0]).W_in].shape[0]))
    for gate in gates:
        params[_ours(0, gate).W_in] = E @ params[_ours(0, gate).W_in]
    return (f"The embedding {E.shape} was multiplied into W_in of the first layer: inputs are one-hot symbols.",)


def _needed(value: Array | None, name: str) -> Array:
    if value is None:
        raise NotExpressible(f"it needs {name}")
    return value
