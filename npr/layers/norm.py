"""Batch normalisation of a recurrent layer, over time or step by step, folded into its neighbours where it can be.

    y = gamma * (h - mean) / sqrt(var + eps) + beta

"time": mean and var of a unit over all valid steps and sequences of the batch. "step": over the batch, apart for
every step. Backward, with the sums over the same set and n its size (Source: arXiv 1502.03167):

    dbeta = sum dy,   dgamma = (sum dy h - mean sum dy) / sqrt(var + eps)
    dh = (gamma / sqrt(var + eps)) (dy - [dbeta + xhat dgamma] / n)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from npr.context import GradSignal, Pass
from npr.params import Buffers, Params

Array = np.ndarray


class NormCache(NamedTuple):
    """Statistics that were used, (N,) or (T, N), and the number of entries behind them, infinite for stored ones, which
    no entry moves."""

    mean: Array
    inverse: Array
    gamma: Array
    entries: Array | float


class Slope(NamedTuple):
    """dh = gain * dy + lean * h + offset, each (N,) or (T, N)."""

    gain: Array
    lean: Array
    offset: Array


@dataclass(frozen=True)
class Norm:
    """Batch normalisation of `size` channels; kind "time" or "step" (then with a table of `steps` rows)."""

    size: int
    kind: str
    steps: int = 1
    momentum: float = 0.1
    eps: float = 1e-5

    def init(self) -> tuple[Params, Buffers]:
        """gamma = 1, beta = 0; running mean 0, variance 1."""
        shape = (self.size,) if self.kind == "time" else (max(1, self.steps), self.size)
        return (
            {"gamma": np.ones(self.size), "beta": np.zeros(self.size)},
            {"mean": np.zeros(shape), "var": np.ones(shape)},
        )

    def needs_moments(self, run: Pass) -> bool:
        """Whether the kernel before shall add up h and h^2 on its way."""
        return self.kind == "time" and run.context.norm == "batch"

    def forward(self, run: Pass, params: Params, buffers: Buffers, raw: Array, sums: Array | None):
        """scale and shift with y = scale * h + shift, the new buffers, and the cache."""
        kernels = run.context.backend.kernels.norm_statistics
        count: Array | float = math.inf
        if run.context.norm == "running":
            mean, var = (self._stored(buffers[key], run) for key in ("mean", "var"))
        else:
            total, count = self._sums(run, raw, sums)
            mean, var = kernels.statistics(total, count)
            weight = self.momentum if run.context.norm_weight is None else run.context.norm_weight
            if weight:
                new = kernels.average((buffers["mean"], buffers["var"]), mean, var, count, weight)
                buffers = dict(zip(("mean", "var"), new, strict=True))
        inverse, scale, shift = kernels.affine(mean, var, params["gamma"], params["beta"], self.eps, run.dtype)
        return scale, shift, buffers, NormCache(mean, inverse, params["gamma"], count)

    def apply(self, run: Pass, raw: Array, scale: Array, shift: Array) -> Array:
        """y as an array of its own, for statistics that differ from step to step."""
        y = run.buffer(self.size)
        run.context.backend.kernels.norm.step_affine(raw, scale, shift, y)
        return y

    def backward(self, run: Pass, cache: NormCache, raw: Array, dy: GradSignal, mask: Array) -> tuple[Params, Slope]:
        """Gradients of gamma and beta, and how dL/dh follows from dL/dy."""
        sum_dy, sum_dyh = dy.sum_dy, dy.sum_dyh
        if self.kind == "step" or sum_dy is None or sum_dyh is None:
            sum_dy, sum_dyh = self._gradient_sums(run, raw, dy, mask)
        d_gamma, *parts = run.context.backend.kernels.norm_statistics.slopes(sum_dy, sum_dyh, *cache, run.dtype)
        over = (lambda a: a) if self.kind == "time" else (lambda a: a.sum(0))
        return {"gamma": over(d_gamma), "beta": over(sum_dy)}, Slope(*parts)

    def apply_backward(self, run: Pass, slope: Slope, raw: Array, g: Array, first: int, mask: Array) -> None:
        """g becomes dL/dh in place, where no kernel can form it on its way."""
        g[:, 1 : first + 1] = 0
        if self.kind == "time":
            shape = (run.slicing.times, self.size)
            slope = Slope(*(run.xp.ascontiguousarray(run.xp.broadcast_to(part, shape)) for part in slope))
        run.context.backend.kernels.norm.step_affine_backward(g, mask, run.slicing.lengths, raw, *slope)

    def _sums(self, run: Pass, raw: Array, sums: Array | None) -> tuple[Array, Array | float]:
        """Sums (2, ...) of h and h^2, and how many entries they are of."""
        if sums is not None:
            return sums.sum(0), float(run.slicing.entries)
        total = self._step_sums(run, raw, raw, run.xp.empty((0, 0, 0), raw.dtype))
        if self.kind == "time":
            return total.sum(1), float(run.slicing.entries)
        count = (run.slicing.lengths.reshape(-1, 1) > run.xp.arange(run.slicing.times)).sum(0).astype(float)
        return total, np.maximum(count, 1.0)[:, None]

    def _stored(self, table: Array, run: Pass) -> Array:
        # A sequence longer than any in training keeps the statistics of the last step there was.
        return table if self.kind == "time" else table[np.minimum(run.xp.arange(run.slicing.times), len(table) - 1)]

    def _gradient_sums(self, run: Pass, raw: Array, dy: GradSignal, mask: Array):
        dy.raw[:, 1 : dy.first + 1] = 0
        total = self._step_sums(run, dy.raw, raw, mask)
        return total if self.kind == "step" else total.sum(1)

    def _step_sums(self, run: Pass, p: Array, q: Array, mask: Array) -> Array:
        sums = run.xp.zeros((run.slicing.slices, 2, run.slicing.times, self.size))
        run.context.backend.kernels.norm.step_sums(p, q, mask, run.slicing.lengths, sums)
        return sums.sum(0)
