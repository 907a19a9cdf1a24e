"""npr's own names, for models that no other library has; statistics stand below "buffers/"."""

from __future__ import annotations

from npr import registry
from npr.interop.network import Arrays, Layout, Network
from npr.params import Array, Buffers, Params

BUFFERS = "buffers/"


def to_npr(arrays: Arrays) -> Network:
    """The parameters and buffers as they are; the sizes of the readout, where there is one."""
    params = {name: value for name, value in arrays.items() if not name.startswith(BUFFERS)}
    buffers = {name.removeprefix(BUFFERS): value for name, value in arrays.items() if name.startswith(BUFFERS)}
    outputs = params["readout.W"].shape[-1] if params["readout.W"].ndim == 2 else None
    return Network(params, {}, None, outputs, buffers)


def from_npr(params: Params, buffers: Buffers) -> dict[str, Array]:
    """One table of both."""
    return {**params, **{BUFFERS + name: value for name, value in buffers.items()}}


LAYOUT = Layout(
    "npr's own names",
    tuple(registry.models.names()),
    ("layers.<i>.<name>", "readout.W (N, O)", "readout.bias (O,)"),
    lambda arrays: "readout.W" in arrays,
    to_npr,
)
