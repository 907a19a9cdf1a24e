"""The dense recurrent cell h_t = f(x_t W_in + bias + h_{t-1} W_rec): one class, an activation, and a parametrisation
that says where W_rec comes from. Source: arXiv 1905.12080 (nnRNN suite), 1901.08428, 1707.09520, 1504.00941."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from npr import initializers
from npr.cells.gradients import at_the_end, following, widened
from npr.context import GradSignal, Pass, Signal
from npr.layers.fold import fold, gate, unfold, value_of
from npr.parametrizations.base import Parametrization
from npr.parametrizations.placed import Placed
from npr.params import Buffers, Params, prefixed, scope

Array = np.ndarray
RECURRENT = "recurrent."


class DenseCache(NamedTuple):
    """Input, states and matrices of one forward pass."""

    x: Signal
    W_in: Array
    h: Array  # (S, T+1, R, N)
    W_rec: Array
    theta: Any  # cache of the parametrisation
    offset: Array


@dataclass(frozen=True)
class DenseCell:
    """Sizes and choices of one layer; parameters W_in, bias, modrelu and those of W_rec under "recurrent.".

    Parameters
    ----------
    input_size, hidden_size : int
        D and N.
    activation : str
        "tanh", "relu", "sigmoid", "identity"; "modrelu" or "complex-modrelu" (units j and N/2 + j as Re and Im),
        which have biases of their own.
    rec : Parametrization
        Of W_rec (N, N).
    w_init, bias_init : str
        Initial W_in and bias, by names of `npr.initializers`.
    bias : bool
        Whether the pre-activation has a bias.
    modrelu_init : float
        Initial modReLU biases are U(-modrelu_init, modrelu_init).
    """

    input_size: int
    hidden_size: int
    activation: str
    rec: Parametrization
    w_init: str
    bias_init: str
    bias: bool = True
    modrelu_init: float = 0.01

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """Initial parameters and the buffers of the parametrisation, in float64."""
        shape = (self.input_size, self.hidden_size)
        params: Params = {"W_in": initializers.weight(self.w_init, rng, shape)}
        if self.bias:
            params["bias"] = initializers.bias(self.bias_init, rng, shape)
        if self._offsets:
            params["modrelu"] = initializers.uniform(rng, (self._offsets,), self.modrelu_init)
        theta, buffers = self.rec.init(rng)
        return params | prefixed(RECURRENT, theta), prefixed(RECURRENT, buffers)

    @property
    def _offsets(self) -> int:
        """Number of modReLU biases."""
        return {"modrelu": self.hidden_size, "complex-modrelu": self.hidden_size // 2}.get(self.activation, 0)

    @property
    def state_size(self) -> int:
        """N."""
        return self.hidden_size

    def decays(self, name: str) -> bool:
        """W_in, and of the recurrent parameters what the parametrisation says."""
        return name == "W_in" or (name.startswith(RECURRENT) and self.rec.decays(name.removeprefix(RECURRENT)))

    def orthogonal(self, name: str) -> bool:
        """What the parametrisation says."""
        return name.startswith(RECURRENT) and self.rec.orthogonal(name.removeprefix(RECURRENT))

    def penalty(self, params: Params) -> tuple[float, Params]:
        """That of the parametrisation."""
        value, slopes = Placed(self.rec).penalty(scope(params, RECURRENT))
        return value, prefixed(RECURRENT, slopes)

    def settle(self, params: Params, buffers: Buffers) -> Buffers:
        """What the parametrisation does after an update."""
        return prefixed(RECURRENT, Placed(self.rec).settle(scope(params, RECURRENT), scope(buffers, RECURRENT)))

    def states(self, cache: DenseCache) -> Array:
        """h of all steps."""
        return cache.h

    def forward(self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array) -> DenseCache:
        """States of all steps; W_rec is built once, here."""
        cut, backend, n = run.slicing, run.context.backend, self.hidden_size
        W, theta = run.once("W_rec", lambda: self._recurrent(run, params, buffers))
        offset = run.xp.zeros((cut.rows, n), run.dtype)
        offset[:, : self._offsets] = params.get("modrelu", 0)
        h = run.buffer(n)
        h[:, 0] = h0
        folded, bias = fold(x, params["W_in"], params.get("bias"), (cut.slices, cut.rows))
        backend.kernels.dense.dense_forward(
            x.raw, gate(x), backend.pack(folded), bias, backend.pack(W), self._scan(run, offset), h
        )
        if run.wants("h"):
            run.keep("h", h)
        if run.wants("pre_activation"):
            keep_pre_activation(run, x, params, W, h)
        return DenseCache(x, params["W_in"], h, W, theta, offset)

    def _recurrent(self, run: Pass, params: Params, buffers: Buffers) -> tuple[Array, Any]:
        """W_rec in the dtype of the pass, and the cache of the parametrisation."""
        W, theta = Placed(self.rec).forward(scope(params, RECURRENT), scope(buffers, RECURRENT))
        return W.astype(run.dtype), theta

    def backward(
        self, run: Pass, cache: DenseCache, dy: GradSignal, mask: Array, carry: Array, gx: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of all parameters from dL/dh = mask * dy; gx gets dL/dx; carry: dL/dh_T becomes dL/dh_0."""
        cut, backend, n, dtype = run.slicing, run.context.backend, self.hidden_size, run.dtype
        dw_in, dw = run.sums("W_in", (cut.slices, self.input_size, n)), run.sums("W_rec", (cut.slices, n, n))
        row_sums, d_offset = run.sums("bias", (cut.slices, cut.rows, n)), run.sums("modrelu", (cut.slices, n))
        target = run.xp.empty((0, 1, 1, 1), dtype) if gx is None else gx
        backend.kernels.dense.dense_backward(
            cache.x.raw, gate(cache.x), backend.pack(cache.W_in.T), backend.pack(cache.W_rec.T),
            self._scan(run, cache.offset), cache.h, dy.raw, mask, dy.first, target,
            dw_in, dw, row_sums, d_offset, carry,
        )  # fmt: skip
        if not run.summed:
            return {}, GradSignal(target)
        found = unfold(cache.x, cache.W_in, dw_in, row_sums)
        grads: Params = {"W_in": found.W}
        if self.bias:
            grads["bias"] = found.bias
        if self._offsets:
            grads["modrelu"] = d_offset.sum(0)[: self._offsets]
        grads |= prefixed(RECURRENT, Placed(self.rec).backward(cache.theta, dw.sum(0)))
        return grads, GradSignal(target, 0, 0, found.sum_dy, found.sum_dyh)

    def widened(self, run: Pass, cache: DenseCache) -> tuple[DenseCell, DenseCache]:
        """See `npr.cells.base.Cell`."""
        x, W_in = widened(run, cache.x, cache.W_in)
        return replace(self, input_size=len(W_in)), cache._replace(x=x, W_in=W_in)

    def keep_gradients(self, run: Pass, cache: DenseCache, delta: Array, drive: Array, carry: Array) -> None:
        """dh_t = drive_t + delta_{t+1} W_rec^T."""
        run.keep("delta", delta)
        run.keep("dh", drive + at_the_end(run, carry) + following(delta) @ cache.W_rec.T)

    def _scan(self, run: Pass, offset: Array):
        backend, cut = run.context.backend, run.slicing
        steps = cut.tile_steps(self.hidden_size**2)
        return backend.kernels.dense.DenseScan(offset, cut.lengths, backend.activations[self.activation], steps)


def keep_pre_activation(run: Pass, x: Signal, params: Params, W: Array, h: Array) -> None:
    """Keep pre_activation a_t = value_t W_in + bias + h_{t-1} W_rec, and for modReLU kink = |a_t| + b, below which a
    unit is off."""
    a = run.xp.zeros(h.shape, h.dtype)
    a[:, 1:] = value_of(x) @ params["W_in"] + params.get("bias", 0) + h[:, :-1] @ W
    run.keep("pre_activation", a)
    if "modrelu" in params:
        size, b = np.abs(a), params["modrelu"]
        if len(b) < size.shape[3]:
            size = np.hypot(size[..., : len(b)], size[..., len(b) :])
        run.keep("kink", size + b)
