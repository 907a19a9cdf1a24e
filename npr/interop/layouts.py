"""Which layouts exist, which one a file follows, and how each model is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from npr.errors import ConfigError
from npr.interop import own, resrnn, stack
from npr.interop.network import Arrays, Layout, Network, listed
from npr.params import Array, Params

LAYOUTS: dict[str, Layout] = {
    "npr": own.LAYOUT,
    **{name: stack.layout(convention) for name, convention in stack.CONVENTIONS.items()},
    "resrnn": resrnn.LAYOUT,
}


class Writer(NamedTuple):
    """How a model's parameters are written for others.

    about : the convention, as the file's metadata names it
    gates : their order; empty without gates
    write : foreign tensors from our parameters; raises NotExpressible
    activations : those that the convention has; empty where the name of the convention says it
    """

    about: str
    gates: tuple[str, ...]
    write: Callable[[Params], dict[str, Array]]
    activations: tuple[str, ...] = ()


def _writer(name: str) -> Writer:
    convention = stack.CONVENTIONS[name]
    dense = convention.gates == ("",)
    gates = () if dense else convention.gates
    return Writer(
        convention.about, gates, lambda params: stack.from_npr(convention, params), ("tanh", "relu") if dense else ()
    )


WRITERS: dict[str, Writer] = {
    **dict.fromkeys(stack.DENSE, _writer("torch-rnn")),
    "lstm": _writer("torch-lstm"),
    "gru": _writer("torch-gru"),
    "resrnn": Writer(resrnn.ABOUT, (), resrnn.from_npr),
}


def recognise(arrays: Arrays) -> tuple[str, Network]:
    """Name of the layout that a file follows, and the network in it.

    Raises
    ------
    ConfigError
        If it follows none (the message lists what each expects, and what was found), or not to the end.
    """
    for name, layout in LAYOUTS.items():
        if layout.fits(arrays):
            return name, layout.read(arrays)
    theirs = _unsupported(arrays)
    if theirs:
        raise ConfigError(f"The file holds {theirs}, for which npr has no model.")
    known = "".join(f"\n  {layout.about}: {', '.join(layout.expected)}" for layout in LAYOUTS.values())
    raise ConfigError(f"The file holds {listed(arrays)}, which is none of the layouts that are known:{known}")


def _unsupported(arrays: Arrays) -> str:
    """What a file holds that is known but not read."""
    recurrent = [name for name in arrays if "weight_hh_l0" in name and not name.endswith("_reverse")]
    if any("weight_hr_l" in name for name in arrays):
        return "an LSTM with projections"
    return f"{len(recurrent)} recurrent modules" if len(recurrent) > 1 else ""
