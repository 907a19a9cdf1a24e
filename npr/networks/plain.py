"""Plain IndRNN: layers of [linear map - recurrence - batch norm - dropout], one above the other.

Source: arXiv 1803.04831, section 4.
Parameter names layers.<i>.{W_in, bias, u, norm.gamma, norm.beta}, readout.{W, bias}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from npr.cells.indrnn import keep_states
from npr.context import GradSignal, Pass, Signal
from npr.fields import whole
from npr.networks.base import Cache, Layers
from npr.networks.options import IndRNNOptions
from npr.networks.unit import Unit
from npr.params import Array, Buffers, Params, by_layer, prefixed, scope
from npr.registry import models


@models.register("indrnn")
@dataclass(frozen=True)
class PlainIndRNN(IndRNNOptions):
    """`layers` equal recurrent layers of `hidden_size` units; see IndRNNOptions for the rest."""

    layers: int = 6
    hidden_size: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("[1, 1000]", layers=self.layers)
        whole("[1, 1e9]", hidden_size=self.hidden_size)
        self.check_symbols((self.input_size, self.output_size), self.readout_size())

    def widths(self) -> list[tuple[int, int]]:
        """(input size, units) of every layer."""
        n = self.hidden_size
        return [(self.features if i == 0 else n, n) for i in range(self.layers)]

    @cached_property
    def _units(self) -> list[Unit]:
        return [self.unit(*size) for size in self.widths()]

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        params: dict = {}
        buffers: Buffers = {}
        for i, unit in enumerate(self._units):
            new_params, new_buffers = self.init_unit(rng, unit, i == self.layers - 1)
            params |= prefixed(f"layers.{i}.", new_params)
            buffers |= prefixed(f"layers.{i}.", new_buffers)
        return params, buffers

    def _stacked(self, run: Pass) -> bool:
        """Whether nothing stands between the layers and nobody looks there, so that one kernel can take them all."""
        alike = self.norm == "none" and not (self.dropout and run.context.dropout)
        return alike and not run.wants("gradients") and run.context.backend.stacks

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        if self._stacked(run):
            return self._forward_stack(run, params, buffers, x, starts)
        caches, states, new_buffers = [], [], dict(buffers)
        own, statistics = by_layer(params), by_layer(buffers)
        for i, unit in enumerate(self._units):
            name = f"layers.{i}."
            x, updated, cache = unit.forward(run.within(name), own[i], statistics[i], x, starts[i])
            new_buffers |= prefixed(name, updated)
            caches.append(cache)
            states.append(cache.cell.h)
        return Layers(x, states, new_buffers, caches)

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        if self._stacked(run):
            return self._backward_stack(run, params, cache, dy, carries, gx)
        named: dict[str, Array] = {}
        own = by_layer(params)
        for i, unit in reversed(list(enumerate(self._units))):
            # In place: a tile of the gradient is read before the one below it is written over it.
            target = dy.raw if i else gx
            name = f"layers.{i}."
            grads, dy = unit.backward(run.within(name), own[i], cache.layers[i], dy, carries[i], target)
            named |= prefixed(name, grads)
        return named

    def _forward_stack(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        cut, backend, n = run.slicing, run.context.backend, self.hidden_size
        cell = self._units[0].cell
        h = run.lease.take((self.layers, cut.slices, cut.times + 1, cut.rows, n), run.dtype)
        for i, start in enumerate(starts):
            h[i, :, 0] = start
        u = np.stack([cell.bound.effective(params[f"layers.{i}.u"]) for i in range(self.layers)])
        bias = np.stack([np.tile(params[f"layers.{i}.bias"], (cut.rows, 1)) for i in range(self.layers)])
        first, others = self._packed(run, params, transposed=False)
        backend.kernels.stack.stack_forward(x.raw, first, others, bias, u, self._scan(run, u[0]), h)
        for i in range(self.layers if run.context.keep else 0):
            below, name = x if i == 0 else Signal(h[i - 1], n), f"layers.{i}."
            keep_states(run.within(name), below, scope(params, name), u[i], h[i])
        return Layers(Signal(h[-1], n), list(h), buffers, (h, u))

    def _backward_stack(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        cut, n = run.slicing, self.hidden_size
        cell, (h, u) = self._units[0].cell, cache.layers
        first, others = self._packed(run, params, transposed=True)
        dw_in = run.sums("first", (cut.slices, self.features, n))
        dw = run.sums("others", (cut.slices, self.layers - 1, n, n))
        row_sums = run.sums("bias", (cut.slices, self.layers, cut.rows, n))
        du = run.sums("u", (cut.slices, self.layers, n))
        carry = run.xp.ascontiguousarray(np.stack(carries, axis=1))
        target = run.xp.empty((0, 1, 1, 1), run.dtype) if gx is None else gx
        run.context.backend.kernels.stack.stack_backward(
            cache.x.raw, first, others, u, self._scan(run, u[0]), h, dy.raw, dy.first, target,
            dw_in, dw, row_sums, du, carry,
        )  # fmt: skip
        d_bias, d_u, weights = row_sums.sum((0, 2)), du.sum(0), dw.sum(0)
        named: dict[str, Array] = {}
        for i in range(self.layers):
            carries[i][...] = carry[:, i]
            name = f"layers.{i}."
            named[name + "W_in"] = weights[i - 1] if i else dw_in.sum(0)
            named[name + "bias"] = d_bias[i]
            named[name + "u"] = cell.bound.effective_backward(params[name + "u"], d_u[i])
        return named

    def _scan(self, run: Pass, u: Array) -> Any:
        """The kernels' arguments, with tiles for panels and gradients of all layers, which share the second cache."""
        steps = run.slicing.tile_steps(2 * (self.layers - 1) * self.hidden_size**2)
        return self._units[0].cell.scan(run, u)._replace(steps=steps)

    def _packed(self, run: Pass, params: Params, transposed: bool) -> tuple[Array, Array]:
        """Panels of the first layer's weight, and of all others in one array."""
        pack, dtype = run.context.backend.pack, run.dtype
        weights = [params[f"layers.{i}.W_in"] for i in range(self.layers)]
        panels = [pack(w.T if transposed else w) for w in weights]
        others = np.stack(panels[1:]) if self.layers > 1 else run.xp.empty((0, 1, 1, 1), dtype)
        return panels[0], others
