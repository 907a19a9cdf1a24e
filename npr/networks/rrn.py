"""The Recurrent Residual Network: recurrent nodes around which their input passes.

    published   y = x + chain(h), h = node(x); the chain is seven linear maps without activation
    stacked     y = h + S(x), seven nodes of different widths; S is the identity, or a linear map where widths differ
    span        the same around every two nodes in a row
    identity    y = h + x

Only h re-enters the recurrence, y goes to the next node.

Source: manuscript "Recurrent Residual Networks", which states seven layers (50,80), (80,80), (80,160), (160,320),
(320,800), (800,50), (50,50) and not how they are wired. Of the readings above only the first gives its figures.
Parameter names layers.<i>.{<parameters of the node>, chain.<k>.{W, bias}, shortcut.{W, bias}}, readout.{W, bias}.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from npr import registry
from npr.cells import gradients
from npr.cells.base import Cell
from npr.cells.gradients import Given
from npr.context import GradSignal, Pass, Signal
from npr.errors import ConfigError
from npr.fields import one_of
from npr.layers.chain import Chain, Collapsed
from npr.layers.dropout import draw_mask
from npr.layers.fold import gate, value_of
from npr.layers.linear import Linear
from npr.networks.base import Cache, Layers
from npr.networks.gated import GatedNetwork
from npr.params import Array, Buffers, Params, by_layer, prefixed, scope
from npr.registry import models

NODES = ("lstm", "gru", "rnn", "rnn-relu", "rnn-orth", "irnn", "exprnn", "scornn", "nnrnn")
_OF_NODE = ("w_init", "bias_init", "recurrent_init", "joint_init", "two_biases", "forget_bias")
READINGS = ("published", "stacked", "span", "identity")


class Block(NamedTuple):
    """Nodes in a row from `first` to `last`, around which the input passes."""

    first: int
    last: int
    input_size: int
    units: int


class BlockCache(NamedTuple):
    """What the backward pass of a block reads."""

    x: Signal
    cells: list[Any]
    chain: Collapsed | None
    linears: dict[str, Any]  # caches of the linear maps "chain" and "shortcut", where there are such
    mask: Array


@models.register("rrn")
@dataclass(frozen=True)
class RRN(GatedNetwork):
    """Residual recurrent nodes; see the head of this file for the readings.

    Parameters
    ----------
    reading : {"published", "stacked", "span", "identity"}
        How the nodes are wired.
    node : str
        The recurrent cell: a model of recurrent layers by its name, with that model's defaults.
    widths : str
        Outputs of the chain's maps, or units of the nodes (stacked, span); hidden_size comes after them.
    two_biases, forget_bias
        As in `LSTM`. These and the initial values are those of an LSTM or GRU node; other cells start as their own
        models do.

    `layers` counts the nodes of the readings published and identity.
    """

    layers: int = 2
    hidden_size: int = 50
    w_init: str = "uniform-0.08"
    bias_init: str = "uniform-0.08"
    readout_init: str = "uniform-0.08"
    recurrent_init: str = "uniform-0.08"
    reading: str = "published"
    node: str = "lstm"
    widths: str = "80,80,160,320,800,50"
    two_biases: bool = True
    forget_bias: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(READINGS, reading=self.reading)
        one_of(NODES, node=self.node)
        _ = self._widths, self._cells

    @cached_property
    def _widths(self) -> tuple[int, ...]:
        """All of `widths`, then hidden_size."""
        parts = [part.strip() for part in self.widths.split(",")]
        if not all(part.isdecimal() and int(part) for part in parts):
            raise ConfigError(f"widths = {self.widths!r} is not valid; it must be whole numbers with commas: '80,50'.")
        return (*(int(part) for part in parts), self.hidden_size)

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        """Inputs and outputs of every node."""
        outputs = [self._directions * units for units in self._units]
        return list(zip((self.features, *outputs), outputs, strict=False))

    @property
    def _units(self) -> tuple[int, ...]:
        """Units of every node."""
        return self._widths if self.reading in ("stacked", "span") else (self.hidden_size,) * self.layers

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @cached_property
    def _blocks(self) -> list[Block]:
        span = 2 if self.reading == "span" else 1
        last = len(self._sizes) - 1
        found = []
        for first in range(0, len(self._sizes), span):
            end = min(first + span - 1, last)
            found.append(Block(first, end, self._sizes[first][0], self._sizes[end][1]))
        return found

    @cached_property
    def _cells(self) -> list[Cell]:
        last = len(self._sizes) - 1
        nodes = [self._node(units) for units in self._units]
        return [self._directed(self._sizes[i][0], node, i == last) for i, node in enumerate(nodes)]

    def _node(self, units: int) -> Any:
        """The model whose cell is a node of `units` units."""
        model = registry.models.get(self.node)
        chosen = {}
        if self.node in ("lstm", "gru"):
            own = {field.name for field in dataclasses.fields(model)}
            chosen = {name: getattr(self, name) for name in _OF_NODE if name in own}
        return model(input_size=1, output_size=1, hidden_size=units, **chosen)

    def readout_size(self) -> int:
        """Units of the last node."""
        return self._sizes[-1][1]

    def decays(self, name: str) -> bool:
        """As the node says; weights of chains and shortcuts."""
        return name.endswith(".W") if ".chain." in name or ".shortcut." in name else super().decays(name)

    def orthogonal(self, name: str) -> bool:
        """As the node says."""
        return ".chain." not in name and ".shortcut." not in name and super().orthogonal(name)

    def _chain(self) -> Chain:
        ends = self._directions * self.hidden_size
        return Chain((ends, *self._widths[:-1], ends))

    def _shortcut(self, block: Block) -> Linear | None:
        """The map S of a block, or None where it is the identity."""
        return None if block.input_size == block.units else Linear(block.input_size, block.units)

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        params, buffers = super()._init_layers(rng)
        for block in self._blocks:
            shortcut, name = self._shortcut(block), f"layers.{block.last}."
            if self.reading == "published":
                params |= prefixed(name + "chain.", self._chain().init(rng, self.w_init, self.bias_init))
            if shortcut:
                params |= prefixed(name + "shortcut.", shortcut.init(rng, self.w_init, self.bias_init))
        return params, buffers

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        caches, states = [], []
        own, statistics = by_layer(params), by_layer(buffers)
        for block in self._blocks:
            inner, cells = x, []
            for i in range(block.first, block.last + 1):
                cell = self._cells[i]
                cache = cell.forward(run.within(f"layers.{i}."), own[i], statistics.get(i, {}), inner, starts[i])
                inner = Signal(cache.h, self._sizes[i][1])
                cells.append(cache)
                states.append(cell.states(cache))
            y, chain, linears = self._join(run, block, own[block.last], x, inner)
            out = Signal(y, block.units, mask=draw_mask(run.within(f"layers.{block.last}."), self.dropout, block.units))
            caches.append(BlockCache(x, cells, chain, linears, gate(out)))
            x = out
        return Layers(x, states, buffers, caches)

    def _join(self, run: Pass, block: Block, params: Params, x: Signal, h: Signal):
        """y of a block from its input and the output of its last node; the chain, and the caches of linear maps."""
        y = run.buffer(block.units)
        shortcut, chain, linears = self._shortcut(block), None, {}
        if self.reading == "published":
            chain = self._chain().collapse(scope(params, "chain."))
            linears["chain"], _ = Linear(block.units, block.units).forward(run, chain.whole, h, y)
        else:
            np.copyto(y, h.raw[..., : block.units])
        if shortcut:
            linears["shortcut"], _ = shortcut.forward(run, scope(params, "shortcut."), x, y, add=True)
        else:
            y[:, 1:] += value_of(x)
        return y, chain, linears

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        named: dict[str, Array] = {}
        for number, block in reversed(list(enumerate(self._blocks))):
            parts = cache.layers[number]
            target = run.buffer(block.input_size) if number else gx
            grads, dy = self._block_backward(run, block, parts, dy, carries, target)
            named |= grads
        return named

    def _block_backward(
        self, run: Pass, block: Block, parts: BlockCache, dy: GradSignal, carries: list, target: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of a block from those of its output, and dL/dx in `target`."""
        named: Params = {}
        name, first = f"layers.{block.last}.", dy.first
        d_out = _masked(run, dy, parts.mask, block.units)
        g = GradSignal(d_out, 0, first)
        if parts.chain is not None:
            dh = run.buffer(block.units)
            place = run.within(name + "chain.")
            whole, _ = Linear(block.units, block.units).backward(place, parts.linears["chain"], d_out, dh, first)
            named |= prefixed(name + "chain.", self._chain().expand(parts.chain, whole))
            g = GradSignal(dh, 0, first)
        none = run.xp.empty((0, 0, 0), run.dtype)
        for i in range(block.last, block.first - 1, -1):
            into = target if i == block.first else run.buffer(self._sizes[i][0])
            place, inner = run.within(f"layers.{i}."), parts.cells[i - block.first]
            grads, g = gradients.backward(self._cells[i], place, inner, Given(g, none, carries[i], into))
            named |= prefixed(f"layers.{i}.", grads)
        if "shortcut" in parts.linears:
            dx = run.buffer(block.input_size)
            linear = Linear(block.input_size, block.units)
            grads, _ = linear.backward(run.within(name + "shortcut."), parts.linears["shortcut"], d_out, dx, first)
            named |= prefixed(name + "shortcut.", grads)
            d_out = dx
        if target is not None:
            target[:, first + 1 :, :, : block.input_size] += d_out[:, first + 1 :, :, : block.input_size]
        return named, GradSignal(d_out if target is None else target)


def _masked(run: Pass, dy: GradSignal, mask: Array, units: int) -> Array:
    """mask * dL/dy in an array of its own, valid from step dy.first on."""
    d_out = run.buffer(units)
    part = slice(dy.first + 1, None)
    np.copyto(d_out[:, part], dy.raw[:, part, :, :units])
    if mask.shape[0]:
        d_out[:, part] *= mask[:, None]
    return d_out
