"""One recurrent layer as the networks use it: [linear map] - IndRNN - batch norm - dropout, in either order of
the middle two. Everything elementwise rides on the kernels of its neighbours where it can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.cells.indrnn import Drive, IndRNN, IndRNNCache, Stream
from npr.context import GradSignal, Pass, Signal
from npr.layers.dropout import draw_mask
from npr.layers.fold import gate
from npr.layers.linear import Linear
from npr.layers.norm import Norm
from npr.params import Buffers, Params, prefixed, scope

Array = np.ndarray


class UnitCache(NamedTuple):
    """Caches of the parts, and the signal that left the unit; z is the norm's input where it stands before."""

    cell: IndRNNCache
    norm: Any
    linear: Any
    z: Any
    out: Signal
    second: Any = None


@dataclass(frozen=True)
class Unit:
    """A layer; `norm` None for none, `before` for batch norm on the recurrence's input instead of its output, and then
    `second` for another one on its output."""

    cell: IndRNN
    norm: Norm | None
    before: bool
    dropout: float
    input_size: int  # 0: the input is a pre-activation already
    second: Norm | None = None

    def forward(
        self,
        run: Pass,
        params: Params,
        buffers: Buffers,
        x: Signal,
        h0: Array,
        into: tuple[Array, int] | None = None,
        stream: Stream | None = None,
    ) -> tuple[Signal, Buffers, UnitCache]:
        """The unit's output signal; `into` asks for the raw output in columns of a given array. With a stream, which
        leaves no place for a norm before the recurrence, this reads what the linear map adds to."""
        n = self.cell.hidden_size
        mask = draw_mask(run, self.dropout, n)
        if self.norm is None:
            cell, _ = self.cell.forward(run, params, x, h0, into, False, stream)
            signal = Signal(cell.h, n, None, None, mask)
            return signal, buffers, UnitCache(cell, None, None, None, signal)
        if self.before:
            ready, buffers, parts = self._norm_first(self.norm, run, params, buffers, x)
            wanted = self.second is not None and self.second.needs_moments(run)
            cell, sums = self.cell.forward(run, params, ready, h0, None, wanted)
            raw, scale, shift, again = cell.h, None, None, None
            if self.second is not None:
                scale, shift, buffers, again = normalise(self.second, run, params, buffers, raw, sums, "second.")
                if self.second.kind == "step":
                    raw, scale, shift = self.second.apply(run, raw, scale, shift), None, None
            signal = Signal(moved(raw, n, into), n, scale, shift, mask)
            return signal, buffers, UnitCache(cell, parts[0], parts[1], parts[2], signal, again)
        apart = self.norm.kind == "step"
        wanted, place = self.norm.needs_moments(run), None if apart else into
        cell, sums = self.cell.forward(run, params, x, h0, place, wanted, stream)
        scale, shift, buffers, kept = normalise(self.norm, run, params, buffers, cell.h, sums)
        signal = Signal(cell.h, n, scale, shift, mask)
        if apart:
            raw = self.norm.apply(run, cell.h, scale, shift)
            signal = Signal(moved(raw, n, into), n, None, None, mask)
        return signal, buffers, UnitCache(cell, kept, None, None, signal)

    def backward(
        self,
        run: Pass,
        params: Params,
        cache: UnitCache,
        dy: GradSignal,
        carry: Array,
        gx: Array | None,
        add: bool = False,
        stream: tuple[Array | None, bool] = (None, False),
    ) -> tuple[Params, GradSignal]:
        """Gradients of the unit's parameters and dL/dvalue of its input, written to gx (with add: added); stream is
        dL/dstream and whether it is added to, see `Drive`."""
        n, cut = self.cell.hidden_size, run.slicing
        mask = gate(cache.out)
        if self.norm is None:
            drive = plain(dy, mask)._replace(stream=stream[0], joined=stream[1])
            return self.cell.backward(run, params, cache.cell, drive, carry, gx, add)
        if self.before:
            dy = alone(dy, n)
            above: Params = {}
            if self.second is not None:
                above, slope = self.second.backward(run, cache.second, cache.cell.h, dy, mask)
                self.second.apply_backward(run, slope, cache.cell.h, dy.raw, dy.first, mask)
                dy, mask = dy._replace(first=0), run.xp.empty((0, 0, 0), run.dtype)
            drive = plain(dy, mask)
            grads, signal = self._norm_first_backward(self.norm, run, params, cache, drive, carry, gx, add)
            return grads | prefixed("second.", above), signal
        if self.norm.kind == "step":
            dy = alone(dy, n)
        found, slope = self.norm.backward(run, cache.norm, cache.cell.h, dy, mask)
        if self.norm.kind == "time":
            gain = run.xp.ones((cut.slices, cut.rows, n), run.dtype) if cache.out.mask is None else mask
            drive = Drive(dy, gain * slope.gain, slope.lean, slope.offset)
        else:
            self.norm.apply_backward(run, slope, cache.cell.h, dy.raw, dy.first, mask)
            drive = plain(dy, run.xp.empty((0, 0, 0), run.dtype))
        drive = drive._replace(stream=stream[0], joined=stream[1])
        grads, signal = self.cell.backward(run, params, cache.cell, drive, carry, gx, add)
        return grads | prefixed("norm.", found), signal

    def _norm_first(self, norm: Norm, run: Pass, params: Params, buffers: Buffers, x: Signal):
        """The signal that drives the recurrence, new buffers, and the caches (norm, linear, z)."""
        n, z, linear, sums = self.cell.hidden_size, x.raw, None, None
        if self.input_size:
            z = run.buffer(n)
            weights = {"W": params["W_in"], "bias": params["bias"]}
            linear, sums = Linear(self.input_size, n).forward(run, weights, x, z, moments=norm.needs_moments(run))
        scale, shift, buffers, kept = normalise(norm, run, params, buffers, z, sums)
        ready = Signal(z, n, scale, shift)
        if norm.kind == "step":
            ready = Signal(norm.apply(run, z, scale, shift), n)
        return ready, buffers, (kept, linear, z)

    def _norm_first_backward(
        self, norm: Norm, run: Pass, params: Params, cache: UnitCache, drive: Drive, carry: Array, gx: Any, add: bool
    ) -> tuple[Params, GradSignal]:
        gz = run.buffer(self.cell.hidden_size)
        grads, _ = self.cell.backward(run, params, cache.cell, drive, carry, gz, False)
        free = run.xp.empty((0, 0, 0), run.dtype)
        found, slope = norm.backward(run, cache.norm, cache.z, GradSignal(gz), free)
        norm.apply_backward(run, slope, cache.z, gz, 0, free)
        grads |= prefixed("norm.", found)
        if not self.input_size:
            gx[:, 1:] = gx[:, 1:] + gz[:, 1:] if add else gz[:, 1:]
            return grads, GradSignal(gx)
        target = run.buffer(gx.shape[3]) if add else gx
        own, signal = Linear(self.input_size, self.cell.hidden_size).backward(run, cache.linear, gz, target)
        if add:
            gx[:, 1:, :, : self.input_size] += target[:, 1:, :, : self.input_size]
            signal = signal._replace(raw=gx)
        return grads | {"W_in": own["W"], "bias": own["bias"]}, signal


def normalise(
    norm: Norm, run: Pass, params: Params, buffers: Buffers, raw: Array, sums: Array | None, name: str = "norm."
):
    """Norm.forward on the names of the unit that begin with `name`: scale, shift, all buffers, cache."""
    own = scope(params, name), scope(buffers, name)
    scale, shift, updated, kept = norm.forward(run, *own, raw, sums)
    return scale, shift, buffers | prefixed(name, updated), kept


def plain(dy: GradSignal, gain: Array) -> Drive:
    """dL/dh = gain * dL/dy, or dL/dy itself where gain is empty."""
    nothing = namespace(dy.raw).empty(0, dy.raw.dtype)
    return Drive(dy, gain, nothing, nothing)


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
    raw = namespace(dy.raw).ascontiguousarray(dy.raw[..., dy.column : dy.column + n])
    return dy._replace(raw=raw, column=0)
