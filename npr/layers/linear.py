"""Linear map y = x W + b at every step, or at the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from npr import initializers
from npr.context import GradSignal, Pass, Signal
from npr.layers.fold import fold, gate, unfold
from npr.params import Params

Array = np.ndarray


class LinearCache(NamedTuple):
    """What the backward pass needs: the input and the weight."""

    x: Signal
    W: Array


@dataclass(frozen=True)
class Linear:
    """y_t = x_t W + b with W (input_size, output_size), b (output_size,)."""

    input_size: int
    output_size: int

    def init(self, rng: np.random.Generator, how: str, bias: str = "zero") -> Params:
        """Initial W and b in float64, by names of `npr.initializers`."""
        size = (self.input_size, self.output_size)
        return {"W": initializers.weight(how, rng, size), "bias": initializers.bias(bias, rng, size)}

    def forward(self, run: Pass, params: Params, x: Signal, y: Array, add: bool = False, moments: bool = False):
        """Write y (S, T+1, R, N), or add to it; returns the cache and the moments (S, 2, N) of y, or None."""
        cut, backend = run.slicing, run.context.backend
        folded, bias = fold(x, params["W"], params["bias"], (cut.slices, cut.rows))
        sums = run.xp.zeros((cut.slices if moments else 0, 2, self.output_size))
        backend.kernels.affine.affine_forward(
            x.raw, gate(x), backend.pack(folded), bias, cut.lengths, cut.steps, y, add, sums
        )
        return LinearCache(x, params["W"]), sums if moments else None

    def backward(
        self, run: Pass, cache: LinearCache, gy: Array, gx: Array | None, first: int = 0
    ) -> tuple[Params, GradSignal]:
        """Gradients of W and b from gy (S, T+1, R, N); gx is overwritten with dL/dx from step `first` on."""
        cut, backend = run.slicing, run.context.backend
        dw = run.sums("W", (cut.slices, self.input_size, self.output_size))
        row_sums = run.sums("bias", (cut.slices, cut.rows, self.output_size))
        target = run.xp.empty((0, 1, 1, 1), gy.dtype) if gx is None else gx
        backend.kernels.affine.affine_backward(
            cache.x.raw, gate(cache.x), backend.pack(cache.W.T), gy, first, cut.steps, target, dw, row_sums
        )
        grads = unfold(cache.x, cache.W, dw, row_sums)
        signal = GradSignal(target, 0, first, grads.sum_dy, grads.sum_dyh)
        return {"W": grads.W, "bias": grads.bias}, signal


def value_last(run: Pass, x: Signal) -> tuple[Array, Array]:
    """Raw activation and value (B, channels) after the last step of every sequence."""
    raw = run.slicing.last(x.raw)[:, : x.channels]
    value = raw if x.scale is None else x.scale * raw + x.shift
    if x.mask is not None:
        value = value * run.slicing.join_rows(x.mask)
    return raw, value


def gradient_last(run: Pass, x: Signal, raw: Array, d_value: Array, g: Array) -> GradSignal:
    """dL/dvalue (B, channels) of the last step, placed in g, with batch norm's two sums."""
    masked = d_value if x.mask is None else d_value * run.slicing.join_rows(x.mask)
    first = run.slicing.put_last(g[..., : x.channels], d_value)
    sums = masked.sum(0, dtype=np.float64), (masked * raw).sum(0, dtype=np.float64)
    return GradSignal(g, 0, first, *sums)
