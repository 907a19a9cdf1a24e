"""Densely connected IndRNN: every recurrent layer of a block reads what all layers before it wrote.

    first:       C = 6 k channels from [linear - recurrence - norm - dropout] of the input
    dense layer: new = U_k(U_{4k}(x)), x <- concat(x, new), U_n = [linear to n - recurrence - norm - dropout]
    transition:  x <- U_{C/2}(x), after every block

Source: arXiv 1910.06251, section 4 and Indrnn_densenet.py of its authors: blocks (8, 6, 4), 40 recurrent layers.
Parameter names layers.<i>.{W_in, bias, u, norm.*} in order of depth, readout.*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from npr.context import GradSignal, Pass, Signal
from npr.errors import ConfigError
from npr.fields import whole, within
from npr.networks.base import Cache, Layers
from npr.networks.options import IndRNNOptions
from npr.networks.unit import Unit
from npr.params import Array, Buffers, Params, by_layer, prefixed
from npr.registry import models


class Place(NamedTuple):
    """Where one recurrent layer stands: channels it reads, units, dropout, and the channel its output starts at.

    A column of None means that only the next layer reads the output; 0 starts a new block.
    """

    reads: int
    units: int
    dropout: float
    column: int | None


@models.register("indrnn-dense")
@dataclass(frozen=True)
class DenseIndRNN(IndRNNOptions):
    """A dense IndRNN of growth k; see IndRNNOptions for the rest.

    Parameters
    ----------
    growth : int
        Channels k that a dense layer adds.
    blocks : str
        Dense layers of each block, "8,6,4".
    dropout_first, dropout_sec, dropout_trans : float
        Dropout after the first layer, the bottlenecks and the transitions; `dropout` acts on the new channels.
    last_transition : bool
        Whether a transition follows the last block too, as in the published networks.
    first_layer : bool
        Whether a layer of 6 k channels precedes the first block; without one the block reads the input, as the
        published language models' reads the embedding.
    last_size : int
        Units of the last transition, 0 for half the channels. A tied decoder needs those of the embedding; with norm
        before the recurrence a second one then follows it.
    """

    growth: int = 16
    blocks: str = "8,6,4"
    dropout_first: float = 0.0
    dropout_sec: float = 0.0
    dropout_trans: float = 0.0
    last_transition: bool = True
    first_layer: bool = True
    last_size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("[1, 1e6]", growth=self.growth)
        within("[0, 1)", dropout_first=self.dropout_first, dropout_sec=self.dropout_sec)
        within("[0, 1)", dropout_trans=self.dropout_trans)
        if not isinstance(self.blocks, str) or not all(
            part.strip().isdigit() and int(part) > 0 for part in self.blocks.split(",")
        ):
            raise ConfigError(f"blocks = {self.blocks!r} is not valid; give numbers of layers such as '8,6,4'")
        whole("[0, 1e9]", last_size=self.last_size)
        if self.last_size and not self.last_transition:
            raise ConfigError(f"last_size = {self.last_size}: there is no last transition; set last_transition = true.")
        self.check_symbols((self.input_size, self.output_size), self.readout_size())

    @cached_property
    def _places(self) -> list[Place]:
        k, channels, places = self.growth, self.features, []
        if self.first_layer:
            places.append(Place(channels, 6 * k, self.dropout_first, 0))
            channels = 6 * k
        sizes = [int(part) for part in self.blocks.split(",")]
        for number, size in enumerate(sizes):
            for _ in range(size):
                places.append(Place(channels, 4 * k, self.dropout_sec, None))
                places.append(Place(4 * k, k, self.dropout, channels))
                channels += k
            last = number == len(sizes) - 1
            if not last or self.last_transition:
                units = self.last_size if last and self.last_size else channels // 2
                places.append(Place(channels, units, self.dropout_trans, 0))
                channels = units
        return places

    def widths(self) -> list[tuple[int, int]]:
        """(channels read, units) of every recurrent layer; the readout sees the last block's channels."""
        return [(place.reads, place.units) for place in self._places]

    def readout_size(self) -> int:
        """Channels of the last block."""
        last = self._places[-1]
        return (last.column or 0) + last.units

    def _unit(self, place: Place) -> Unit:
        last = self.last_size > 0 and place is self._places[-1]
        return replace(self.unit(place.reads, place.units, last), dropout=place.dropout)

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        params: dict = {}
        buffers: Buffers = {}
        places = self._places
        for i, place in enumerate(places):
            new_params, new_buffers = self.init_unit(rng, self._unit(place), i == len(places) - 1)
            params |= prefixed(f"layers.{i}.", new_params)
            buffers |= prefixed(f"layers.{i}.", new_buffers)
        return params, buffers

    @cached_property
    def _block_widths(self) -> list[int]:
        """Channels of the block that each layer's output lies in."""
        places = self._places
        ends, end = [], 0
        for place in reversed(places):
            if place.column is not None:
                end = max(end, place.column + place.units)
            ends.append(end)
            if place.column == 0:
                end = 0
        return ends[::-1]

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        new_buffers, caches = dict(buffers), []
        weights, statistics = by_layer(params), by_layer(buffers)
        places, widths = self._places, self._block_widths
        block = x if self.first_layer else widened(run, x, widths[0])
        inner = block
        for i, place in enumerate(places):
            name = f"layers.{i}."
            own = weights[i], statistics[i]
            reads_inner = i > 0 and places[i - 1].column is None
            into = None
            if place.column is not None:
                into = (run.buffer(widths[i]) if place.column == 0 else block.raw, place.column)
            source = inner if reads_inner else block
            out, updated, cache = self._unit(place).forward(run.within(name), *own, source, starts[i], into)
            caches.append(cache)
            new_buffers |= prefixed(name, updated)
            if place.column is None:
                inner = out
            else:
                block = out if place.column == 0 else joined(block, out, run)
        states = [
            cache.cell.h[..., cache.cell.column : cache.cell.column + place.units]
            for cache, place in zip(caches, places, strict=True)
        ]
        return Layers(block, states, new_buffers, caches)

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        places, widths = self._places, self._block_widths
        named: dict[str, Array] = {}
        weights = by_layer(params)
        dy.raw[:, 1 : dy.first + 1] = 0
        block = dy._replace(first=0)
        inner = block
        for i in range(len(places) - 1, -1, -1):
            place, name = places[i], f"layers.{i}."
            reads_inner = i > 0 and places[i - 1].column is None
            given = inner if place.column is None else part(block, place)
            target, add = gx, False
            if reads_inner:
                target = run.buffer(place.reads)
            elif i > 0 or not self.first_layer:
                add = place.column is None
                target = block.raw if add else run.buffer(widths[i - 1])
            grads, below = self._unit(place).backward(
                run.within(name), weights[i], cache.layers[i], given, carries[i], target, add
            )
            named |= prefixed(name, grads)
            if reads_inner:
                inner = below
            elif add:
                block = summed(block, below, place.reads)
            else:
                block = below
        if gx is not None and not self.first_layer:
            gx[:, 1:, :, : self.features] = block.raw[:, 1:, :, : self.features]
        return named


def widened(run: Pass, x: Signal, width: int) -> Signal:
    """The same signal in an array with room for `width` channels."""
    raw = run.buffer(width)
    raw[:, 1:, :, : x.channels] = x.raw[:, 1:, :, : x.channels]
    return x._replace(raw=raw)


def joined(block: Signal, new: Signal, run: Pass) -> Signal:
    """The block's signal with the new channels behind the old ones; both lie in one array already."""
    n = block.channels + new.channels
    scale = shift = mask = None
    if block.scale is not None or new.scale is not None:
        one = run.xp.ones(block.channels, run.dtype), run.xp.zeros(block.channels, run.dtype)
        old = (block.scale, block.shift) if block.scale is not None else one
        scale, shift = np.concatenate([old[0], new.scale]), np.concatenate([old[1], new.shift])
    if block.mask is not None or new.mask is not None:
        cut = run.slicing
        parts = [
            run.xp.ones((cut.slices, cut.rows, s.channels), run.dtype) if s.mask is None else s.mask
            for s in (block, new)
        ]
        mask = np.concatenate(parts, axis=2)
    return Signal(block.raw, n, scale, shift, mask)


def part(block: GradSignal, place: Place) -> GradSignal:
    """The gradient of the channels that one layer wrote."""
    column = slice(place.column, (place.column or 0) + place.units)
    sums = [None if s is None else s[column] for s in (block.sum_dy, block.sum_dyh)]
    return GradSignal(block.raw, place.column or 0, block.first, *sums)


def summed(block: GradSignal, below: GradSignal, reads: int) -> GradSignal:
    """The block's gradient after one more reader of its first channels has added its share."""
    if block.sum_dy is None or block.sum_dyh is None or below.sum_dy is None or below.sum_dyh is None:
        return block._replace(sum_dy=None, sum_dyh=None)
    sum_dy, sum_dyh = block.sum_dy.copy(), block.sum_dyh.copy()
    sum_dy[:reads] += below.sum_dy
    sum_dyh[:reads] += below.sum_dyh
    return block._replace(sum_dy=sum_dy, sum_dyh=sum_dyh)
