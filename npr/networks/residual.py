"""Residual IndRNN with pre-activation: a stem, blocks of two recurrent layers around which the stream passes, and
one last recurrent layer before the readout.

    x_0 = input W + b                                   (stem)
    x_{k+1} = x_k + L(D(N(R(L(D(N(R(x_k))))))))         (block k: R recurrence, N norm, D dropout, L linear map)
    top = D(N(R(x_K)))

Source: arXiv 1910.06251, section 4 and Indrnn_residualnet_preact.py of its authors: 5 blocks hold 11 recurrent layers.
Parameter names stem.*, layers.<i>.{u, norm.*, linear.W, linear.bias}, readout.*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from npr.cells.indrnn import Stream
from npr.context import GradSignal, Pass, Signal
from npr.fields import whole
from npr.layers.linear import Linear, LinearCache
from npr.networks.base import Cache, Layers
from npr.networks.options import IndRNNOptions
from npr.networks.unit import Unit, UnitCache
from npr.params import Array, Buffers, Params, by_layer, prefixed, scope
from npr.registry import models


class ResidualCache(NamedTuple):
    """Caches of the stem, of every recurrent layer and of the linear map after each but the last."""

    stem: LinearCache
    units: list[UnitCache]
    linears: list[LinearCache]


@models.register("indrnn-residual")
@dataclass(frozen=True)
class ResidualIndRNN(IndRNNOptions):
    """`blocks` residual blocks of two recurrent layers of `hidden_size` units; see IndRNNOptions for the rest.

    Parameters
    ----------
    last_size : int
        Units of one more layer before the readout, linear map - recurrence; 0 for none. A tied decoder needs those of
        the embedding; with norm before the recurrence a second one then follows it.
    """

    blocks: int = 5
    hidden_size: int = 128
    last_size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("[1, 1000]", blocks=self.blocks)
        whole("[1, 1e9]", hidden_size=self.hidden_size)
        whole("[0, 1e9]", last_size=self.last_size)
        self.check_symbols((self.input_size, self.output_size), self.readout_size())

    def widths(self) -> list[tuple[int, int]]:
        """Layers within blocks are fed with pre-activations and have hidden_size units; one of last_size may follow."""
        after = [(self.hidden_size, self.last_size)] if self.last_size else []
        return [(0, self.hidden_size)] * (2 * self.blocks + 1) + after

    @cached_property
    def _units(self) -> list[Unit]:
        return [self.unit(*size, last=size[0] > 0) for size in self.widths()]

    def _linear(self, input_size: int | None = None) -> Linear:
        return Linear(input_size or self.hidden_size, self.hidden_size)

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        buffers: Buffers = {}
        params = prefixed("stem.", self._linear(self.features).init(rng, self.w_init))
        units = self._units
        for i, unit in enumerate(units):
            new_params, new_buffers = self.init_unit(rng, unit, i == len(units) - 1)
            if i < 2 * self.blocks:
                new_params |= prefixed("linear.", self._linear().init(rng, self.w_init))
            params |= prefixed(f"layers.{i}.", new_params)
            buffers |= prefixed(f"layers.{i}.", new_buffers)
        return params, buffers

    @property
    def _fused(self) -> bool:
        """Whether every linear map and the recurrence that reads it are one kernel: no norm stands between them."""
        return self.norm == "none" or self.norm_position == "after"

    @cached_property
    def _fused_units(self) -> list[Unit]:
        """Every recurrent layer with the linear map before it, the first with the stem."""
        sizes = [self.features] + [self.hidden_size] * (len(self._units) - 1)
        return [
            replace(unit, input_size=size, cell=replace(unit.cell, input_size=size))
            for unit, size in zip(self._units, sizes, strict=True)
        ]

    def _map_before(self, i: int) -> str:
        """Name of the linear map that layer i reads."""
        return "stem." if i == 0 else f"layers.{i - 1}.linear." if i <= 2 * self.blocks else ""

    def _with_map(self, params: Params, own: Params, i: int) -> Params:
        before = self._map_before(i)
        return own if not before else own | {"W_in": params[before + "W"], "bias": params[before + "bias"]}

    def _forward_fused(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        new_buffers, units, stream = dict(buffers), [], Stream(run.buffer(self.hidden_size))
        top, own, statistics = x, by_layer(params), by_layer(buffers)
        for i, unit in enumerate(self._fused_units):
            name, reads_stream = f"layers.{i}.", i % 2 == 0 and i <= 2 * self.blocks
            place, weights = run.within(name), self._with_map(params, own[i], i)
            given = stream if reads_stream else None
            top, updated, cache = unit.forward(place, weights, statistics[i], top, starts[i], stream=given)
            new_buffers |= prefixed(name, updated)
            units.append(cache)
            stream = cache.cell.stream or stream
        return Layers(top, [cache.cell.h for cache in units], new_buffers, units)

    def _backward_fused(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        named: dict[str, Array] = {}
        own, d_stream = by_layer(params), run.buffer(self.hidden_size)
        for i, unit in reversed(list(enumerate(self._fused_units))):
            name, reads_stream = f"layers.{i}.", i % 2 == 0 and i <= 2 * self.blocks
            # What arrived is read tile by tile before the gradient of the input takes its place.
            target = gx if i == 0 else dy.raw if dy.raw.shape[3] == self.hidden_size else run.buffer(self.hidden_size)
            stream = (d_stream if reads_stream else None, i < 2 * self.blocks)
            weights = self._with_map(params, own[i], i)
            grads, dy = unit.backward(run.within(name), weights, cache.layers[i], dy, carries[i], target, stream=stream)
            before = self._map_before(i)
            if before:
                grads = dict(grads)
                named |= {before + "W": grads.pop("W_in"), before + "bias": grads.pop("bias")}
            named |= prefixed(name, grads)
        return named

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        if self._fused:
            return self._forward_fused(run, params, buffers, x, starts)
        n, new_buffers = self.hidden_size, dict(buffers)
        # The stream is only ever fed to recurrences, whose backward pass does not look at it: one array is enough,
        # unless a norm before the recurrence keeps its input.
        stream = run.buffer(n)
        stem, _ = self._linear(self.features).forward(run, scope(params, "stem."), x, stream)
        units, linears, inner = [], [], stream
        top, own, statistics = x, by_layer(params), by_layer(buffers)
        for i, unit in enumerate(self._units):
            name = f"layers.{i}."
            fed = top if i > 2 * self.blocks else Signal(stream if i % 2 == 0 else inner, n)
            top, updated, cache = unit.forward(run.within(name), own[i], statistics[i], fed, starts[i])
            new_buffers |= prefixed(name, updated)
            units.append(cache)
            if i >= 2 * self.blocks:
                continue
            into_stream = i % 2 == 1
            target = self._next_stream(run, stream) if into_stream else run.buffer(n)
            linear, _ = self._linear().forward(run, scope(own[i], "linear."), top, target, add=into_stream)
            linears.append(linear)
            stream, inner = (target, inner) if into_stream else (stream, target)
        states = [cache.cell.h for cache in units]
        return Layers(top, states, new_buffers, ResidualCache(stem, units, linears))

    def _next_stream(self, run: Pass, stream: Array) -> Array:
        if self.norm == "none" or self.norm_position == "after":
            return stream
        copy = run.buffer(self.hidden_size)
        copy[...] = stream
        return copy

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        if self._fused:
            return self._backward_fused(run, params, cache, dy, carries, gx)
        n, parts = self.hidden_size, cache.layers
        named: dict[str, Array] = {}
        units, own = self._units, by_layer(params)
        if self.last_size:
            i = len(units) - 1
            name = f"layers.{i}."
            grads, dy = units[i].backward(run.within(name), own[i], parts.units[i], dy, carries[i], run.buffer(n))
            named |= prefixed(name, grads)
        d_stream, g = run.buffer(n), dy.raw
        for i in range(2 * self.blocks, -1, -1):
            name = f"layers.{i}."
            if i < 2 * self.blocks:
                # g held the gradient that the block's first half gets from its second, or is free to be reused.
                source = d_stream if i % 2 == 1 else g
                target = g if i % 2 == 1 else run.buffer(n)
                grads, dy = self._linear().backward(run.within(name + "linear."), parts.linears[i], source, target)
                named |= prefixed(name + "linear.", grads)
            from_stream = i % 2 == 0
            last = i == 2 * self.blocks
            into = d_stream if from_stream else dy.raw
            grads, dy = units[i].backward(
                run.within(name), own[i], parts.units[i], dy, carries[i], into, add=from_stream and not last
            )
            named |= prefixed(name, grads)
            g = dy.raw if not from_stream else g
        grads, _ = self._linear(self.features).backward(run.within("stem."), parts.stem, d_stream, gx)
        return named | prefixed("stem.", grads)
