"""One recurrent layer as the networks use it: [linear map] - IndRNN - batch norm - dropout, in either order of
the middle two. Everything elementwise rides on the kernels of its neighbours where it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from npr.cells.indrnn import Drive, IndRNN, IndRNNCache
from npr.context import GradSignal, Pass, Signal
from npr.layers.dropout import draw_mask
from npr.layers.fold import gate
from npr.layers.linear import Linear, LinearCache
from npr.layers.norm import Norm, NormCache
from npr.params import Buffers, Params

Array = np.ndarray


class UnitCache(NamedTuple):
    """Caches of the parts, and the signal that left the unit."""

    cell: IndRNNCache
    norm: NormCache | None
    linear: LinearCache | None
    z: Array | None
    out: Signal


@dataclass(frozen=True)
class Unit:
    """A layer; `norm` None for none, `before` for batch norm on the recurrence's input instead of its output."""

    cell: IndRNN
    norm: Norm | None
    before: bool
    dropout: float
    input_size: int  # 0: the input is a pre-activation already

    @property
    def linear(self) -> Linear:
        """The input map where it stands apart from the recurrence."""
        return Linear(self.input_size, self.cell.hidden_size)

    def forward(
        self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array, into: tuple[Array, int] | None = None
    ) -> tuple[Signal, Buffers, UnitCache]:
        """The unit's output signal; `into` asks for the raw output in columns of a given array."""
        mask = draw_mask(run, self.dropout, self.cell.hidden_size)
        if self.norm is not None and self.before:
            return self._forward_before(run, params, buffers, x, h0, into, mask)
        wants = self.norm is not None and self.norm.needs_moments(run)
        apart = self.norm is not None and self.norm.kind == "step"
        cell, sums = self.cell.forward(run, params, x, h0, None if apart else into, wants)
        n, kept = self.cell.hidden_size, None
        signal = Signal(cell.h, n, None, None, mask)
        if self.norm is not None:
            scale, shift, buffers, kept = self._normalise(run, params, buffers, cell.h, sums)
            signal = Signal(cell.h, n, scale, shift, mask)
            if apart:
                raw = self.norm.apply(run, cell.h, scale, shift)
                signal = Signal(moved(raw, n, into), n, None, None, mask)
        return signal, buffers, UnitCache(cell, kept, None, None, signal)

    def _normalise(self, run: Pass, params: Params, buffers: Buffers, raw: Array, sums: Array | None):
        own = scope(params, "norm."), scope(buffers, "norm.")
        scale, shift, updated, kept = self.norm.forward(run, *own, raw, sums)
        return scale, shift, prefixed("norm.", updated), kept

    def _forward_before(self, run, params, buffers, x, h0, into, mask):
        norm, n = self.norm, self.cell.hidden_size
        z, linear, sums = x.raw, None, None
        if self.input_size:
            z = run.buffer(n)
            weights = {"W": params["W_in"], "bias": params["bias"]}
            linear, sums = self.linear.forward(run, weights, x, z, moments=norm.needs_moments(run))
        scale, shift, buffers, kept = self._normalise(run, params, buffers, z, sums)
        ready = Signal(z, n, scale, shift)
        if norm.kind == "step":
            ready = Signal(norm.apply(run, z, scale, shift), n)
        cell, _ = self.cell.forward(run, params, ready, h0, None, False)
        signal = Signal(moved(cell.h, n, into), n, None, None, mask)
        return signal, buffers, UnitCache(cell, kept, linear, z, signal)

    def backward(
        self, run: Pass, params: Params, cache: UnitCache, dy: GradSignal, carry: Array, gx: Array | None, add=False
    ) -> tuple[Params, GradSignal]:
        """Gradients of the unit's parameters and dL/dvalue of its input, written to gx (with add: added)."""
        n, cut, dtype = self.cell.hidden_size, run.slicing, run.dtype
        mask, zero = gate(cache.out), np.zeros(n, dtype)
        ones = np.ones((cut.slices, cut.rows, n), dtype)
        gain = cache.out.mask if cache.out.mask is not None else ones
        if self.norm is None or self.before:
            dy = alone(dy, n)
            drive = Drive(dy, gain, zero, zero)
        else:
            if self.norm.kind == "step":
                dy = alone(dy, n)
            norm_grads, slope = self.norm.backward(run, cache.norm, cache.cell.h, dy, mask)
            if self.norm.kind == "step":
                self.norm.apply_backward(run, slope, cache.cell.h, dy.raw, dy.first, mask)
                drive = Drive(dy, ones, zero, zero)
            else:
                drive = Drive(dy, gain * slope.gain, slope.lean, slope.offset)
        if self.norm is not None and self.before:
            return self._backward_before(run, params, cache, drive, carry, gx, add)
        grads, signal = self.cell.backward(run, params, cache.cell, drive, carry, gx, add)
        if self.norm is not None:
            grads |= {f"norm.{key}": value for key, value in norm_grads.items()}
        return grads, signal

    def _backward_before(self, run, params, cache, drive, carry, gx, add):
        norm, n = self.norm, self.cell.hidden_size
        gz = run.buffer(n)
        grads, _ = self.cell.backward(run, params, cache.cell, drive, carry, gz, False)
        free = np.empty((0, 0, 0), run.dtype)
        norm_grads, slope = norm.backward(run, cache.norm, cache.z, GradSignal(gz), free)
        if norm.kind == "time":
            slope = type(slope)(*(np.ascontiguousarray(np.broadcast_to(a, (run.slicing.times, n))) for a in slope))
        norm.apply_backward(run, slope, cache.z, gz, 0, free)
        grads |= {f"norm.{key}": value for key, value in norm_grads.items()}
        if not self.input_size:
            gx[:, 1:] = gx[:, 1:] + gz[:, 1:] if add else gz[:, 1:]
            return grads, GradSignal(gx)
        target = run.buffer(gx.shape[3]) if add and gx is not None else gx
        linear_grads, signal = self.linear.backward(run, cache.linear, gz, target)
        if add and gx is not None:
            gx[:, 1:, :, : self.input_size] += target[:, 1:, :, : self.input_size]
            signal = signal._replace(raw=gx)
        return grads | {"W_in": linear_grads["W"], "bias": linear_grads["bias"]}, signal


def scope(named: dict[str, Array], prefix: str) -> dict[str, Array]:
    """The entries below a prefix, without it."""
    return {name[len(prefix) :]: value for name, value in named.items() if name.startswith(prefix)}


def prefixed(prefix: str, named: dict[str, Array]) -> dict[str, Array]:
    """The same entries with a prefix before each name."""
    return {prefix + name: value for name, value in named.items()}


def moved(raw: Array, n: int, into: tuple[Array, int] | None) -> Array:
    """raw, or the array it was copied into."""
    if into is None:
        return raw
    target, column = into
    target[:, 1:, :, column : column + n] = raw[:, 1:]
    return target


def alone(dy: GradSignal, n: int) -> GradSignal:
    """The same gradient in an array of exactly n channels."""
    if dy.raw.shape[3] == n:
        return dy
    raw = np.ascontiguousarray(dy.raw[..., dy.column : dy.column + n])
    return dy._replace(raw=raw, column=0)
