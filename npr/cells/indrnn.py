"""IndRNN, the elementwise recurrence h_t = f(x_t W + b + u * h_{t-1}). Source: arXiv 1803.04831."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from npr.cells.gradients import arriving, at_the_end, following, handed_down, narrowed, widened
from npr.context import GradSignal, Pass, Signal
from npr.layers.fold import Unfolded, fold, gate, unfold, value_of
from npr.layers.linear import Linear, LinearCache
from npr.params import Params

Array = np.ndarray


class Stream(NamedTuple):
    """What residual blocks add to and recurrences read: raw (S, T+1, R, N) + bias (S, R, N); None: nothing is in it."""

    raw: Array
    bias: Array | None = None


class IndRNNCache(NamedTuple):
    """Input, states and effective recurrent vector of one forward pass, and the stream after it."""

    x: Signal
    W: Any
    h: Array
    column: int
    u: Array
    stream: Stream | None = None


class Drive(NamedTuple):
    """dL/dh of the states as the backward kernel forms it: gain * g + lean * h + offset.

    Where the pre-activation was a stream's, `stream` (S, T+1, R, N) is dL/dstream of its other readers, if `joined`,
    and becomes that of all.
    """

    g: GradSignal
    gain: Array  # (S, R, N), or empty: 1
    lean: Array  # (N,), or empty: 0; with it there is a gain
    offset: Array  # (N,)
    stream: Array | None = None
    joined: bool = True


class Bound(NamedTuple):
    """Range of |u|, and whether the network clips u in its graph instead of projecting the parameter."""

    low: float
    high: float
    in_graph: bool

    def effective(self, u: Array) -> Array:
        """The u that the recurrence uses: clip(sign(u) max(|u|, low), -high, high) in the graph, else u."""
        if not self.in_graph:
            return u
        return np.clip(np.sign(u) * np.maximum(np.abs(u), self.low), -self.high, self.high).astype(u.dtype)

    def effective_backward(self, u: Array, d_effective: Array) -> Array:
        """Gradient of the in-graph clip: 1 where low <= |u| <= high, 0 outside."""
        if not self.in_graph:
            return d_effective
        return np.where((np.abs(u) >= self.low) & (np.abs(u) <= self.high), d_effective, 0.0)

    def project(self, u: Array) -> None:
        """u <- clip(u, -high, high) in place, unless the graph does it."""
        if not self.in_graph:
            np.clip(u, -self.high, self.high, out=u)


@dataclass(frozen=True)
class IndRNN:
    """The cell with its input product (input_size > 0) or fed with pre-activations (input_size = 0)."""

    input_size: int
    hidden_size: int
    activation: str
    bound: Bound
    step_clip: float = 0.0

    def scan(self, run: Pass, u: Array):
        """The recurrence's arguments as the kernels take them."""
        backend, cut = run.context.backend, run.slicing
        code = backend.activations[self.activation]
        return backend.kernels.diagonal.Scan(u, cut.lengths, code, cut.steps, float(self.step_clip))

    def forward(
        self,
        run: Pass,
        params: Params,
        x: Signal,
        h0: Array,
        into: tuple[Array, int] | None,
        moments: bool,
        stream: Stream | None = None,
    ) -> tuple[IndRNNCache, Array | None]:
        """States of all steps, into columns of a given array or a new one; moments (S, 2, N) of h if asked. The input
        product is added to a stream, if there is one, and the states are those of the stream."""
        cut, n = run.slicing, self.hidden_size
        kernels, backend = run.context.backend.kernels.diagonal, run.context.backend
        u = self.bound.effective(params["u"])
        h, column = into if into else (run.buffer(n), 0)
        h[:, 0, :, column : column + n] = h0
        sums = run.xp.zeros((cut.slices if moments else 0, 2, n))
        rows = (cut.slices, cut.rows)
        if self.input_size:
            folded, bias = fold(x, params["W_in"], params["bias"], rows)
            panels, raw, add = backend.pack(folded), run.xp.empty((0, 1, 1, 1), run.dtype), False
            if stream is not None:
                raw, add = stream.raw, stream.bias is not None
                bias = bias if stream.bias is None else stream.bias + bias
                stream = Stream(raw, bias)
            kernels.layer_forward(x.raw, gate(x), panels, bias, self.scan(run, u), raw, add, h, column, sums)
        else:
            scale = run.xp.empty(0, run.dtype) if x.scale is None else x.scale
            bias = run.xp.empty((0, 0, 0), run.dtype)
            if x.shift is not None:
                bias = run.xp.ascontiguousarray(run.xp.broadcast_to(x.shift, (*rows, n)))
            backend.kernels.drive.drive_forward(x.raw, scale, bias, self.scan(run, u), h, column, sums)
        states = h[..., column : column + n]
        if stream is None or stream.bias is None:
            keep_states(run, x, params if self.input_size else {}, u, states)
        else:
            keep_states(run, Signal(stream.raw, n), {"stream": stream.bias}, u, states)
        return IndRNNCache(x, params.get("W_in"), h, column, u, stream), sums if moments else None

    def backward(
        self, run: Pass, params: Params, cache: IndRNNCache, drive: Drive, carry: Array, gx: Array | None, add: bool
    ) -> tuple[Params, GradSignal]:
        """Gradients of W_in, bias and u; gx gets (with add: gains) dL/dx; carry (S, R, N): dL/dh_T becomes dL/dh_0."""
        if run.wants("gradients"):
            return self._keeping(run, params, cache, drive, (carry, gx, add))
        cut, n = run.slicing, self.hidden_size
        kernels, backend = run.context.backend.kernels.diagonal, run.context.backend
        few = self.input_size > 0 and n < backend.kernels.narrow.WIDE
        du = run.sums("u", (cut.slices, cut.rows if few else 1, n))
        up = kernels.Upstream(drive.gain, drive.lean, drive.offset, drive.g.first)
        scan, g = self.scan(run, cache.u), drive.g
        free = run.xp.empty((0, 1, 1, 1), run.dtype)
        target, stream = free if gx is None else gx, free if drive.stream is None else drive.stream
        grads: Params = {}
        sums: tuple = (None, None)
        if self.input_size:
            row_sums = run.sums("bias", (cut.slices, cut.rows, n))
            dw = run.sums("W_in", (cut.slices, self.input_size, n))
            kernels.layer_backward(
                cache.x.raw, gate(cache.x), backend.pack(cache.W.T), scan, cache.h, cache.column,
                g.raw, g.column, up, stream, drive.joined, target, add, dw, row_sums, du, carry,
            )  # fmt: skip
            found: Unfolded = unfold(cache.x, cache.W, dw, row_sums)
            grads, sums = {"W_in": found.W, "bias": found.bias}, (found.sum_dy, found.sum_dyh)
        else:
            backend.kernels.drive.drive_backward(scan, cache.h, g.raw, up, target, add, du, carry)
        grads["u"] = self.bound.effective_backward(params["u"], du.sum((0, 1)))
        return grads, GradSignal(target, 0, 0, *sums)

    def _keeping(
        self, run: Pass, params: Params, cache: IndRNNCache, drive: Drive, rest: tuple[Array, Array | None, bool]
    ) -> tuple[Params, GradSignal]:
        """As `backward`, which also keeps delta_t = dL/da_t and dh_t = dL/dh_t; see `npr.cells.gradients`."""
        D, n = self.input_size, self.hidden_size
        carry, gx, add = rest
        quiet = run._replace(context=run.context._replace(keep=frozenset()))
        h = cache.h[..., cache.column : cache.column + n]
        g = arriving(run, drive.g, drive.gain, n) + at_the_end(run, carry)
        if drive.lean.size:
            g += arriving(run, GradSignal(drive.lean * h + drive.offset), run.xp.empty((0, 0, 0), run.dtype), n)
        if drive.stream is not None:
            return self._keeping_stream(run, params, cache, drive, rest, g)
        target, wide, cell = run.buffer(D + n), cache, self
        if D:
            x, W = widened(run, cache.x, cache.W)
            wide, cell = cache._replace(x=x, W=W), replace(self, input_size=D + n)
        grads, signal = cell.backward(quiet, params, wide, drive, carry, target, False)
        delta = target[..., D:]
        run.keep("delta", delta)
        run.keep("dh", g + following(delta) * cache.u)
        return narrowed(grads, D), handed_down(signal, target, D or n, gx, add)

    def _keeping_stream(
        self, run: Pass, params: Params, cache: IndRNNCache, drive: Drive, rest: tuple, g: Array
    ) -> tuple[Params, GradSignal]:
        """As `_keeping` with a stream: the recurrence first, for delta alone, then the product, of the whole stream."""
        stream, (carry, gx, _) = drive.stream, rest
        assert stream is not None
        quiet = run._replace(context=run.context._replace(keep=frozenset()))
        delta = run.buffer(self.hidden_size)
        bare, alone = replace(self, input_size=0), drive._replace(stream=None)
        grads, _ = bare.backward(quiet, params, cache, alone, carry, delta, False)
        stream[:, 1:] = stream[:, 1:] + delta[:, 1:] if drive.joined else delta[:, 1:]
        run.keep("delta", delta)
        run.keep("dh", g + following(delta) * cache.u)
        linear = Linear(self.input_size, self.hidden_size)
        own, signal = linear.backward(run, LinearCache(cache.x, cache.W), stream, gx)
        return grads | {"W_in": own["W"], "bias": own["bias"]}, signal


def keep_states(run: Pass, x: Signal, params: Params, u: Array, h: Array) -> None:
    """Keep h_t, and a_t = value_t W_in + bias + u * h_{t-1}, where they were asked for."""
    if run.wants("h"):
        run.keep("h", h)
    if not run.wants("pre_activation"):
        return
    value = value_of(x)
    if "stream" in params:
        value = value + params["stream"][:, None]
    elif "W_in" in params:
        value = value @ params["W_in"] + params["bias"]
    a = run.xp.zeros(h.shape, h.dtype)
    a[:, 1:] = value + u * h[:, :-1]
    run.keep("pre_activation", a)
