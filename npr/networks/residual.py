"""Residual IndRNN with pre-activation: a stem, blocks of two recurrent layers around which the stream passes, and
one last recurrent layer before the readout.

    x_0 = input W + b                                   (stem)
    x_{k+1} = x_k + L(D(N(R(L(D(N(R(x_k))))))))         (block k: R recurrence, N norm, D dropout, L linear map)
    top = D(N(R(x_K)))

Source: arXiv 1910.06251, section 4 and Indrnn_residualnet_preact.py of its authors: 5 blocks hold 11 recurrent layers.
Parameter names stem.*, layers.<i>.{u, norm.*, linear.W, linear.bias}, readout.*.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

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

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
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
