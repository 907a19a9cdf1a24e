"""The GRU cell; the equations are those of `npr.kernels.gru`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from npr.cells.gates import GatedCell, Gates, side_by_side
from npr.cells.gradients import at_the_end, widened
from npr.context import GradSignal, Pass, Signal
from npr.layers.fold import gate
from npr.params import Array, Buffers, Params

GATES = "rzn"


class GRUCache(NamedTuple):
    """Input, matrices (turned as the kernel takes them) and states of one forward pass."""

    x: Signal
    W_in: Array  # (D, 3N)
    W_rec: Array  # (N, 3N)
    states: Any

    @property
    def h(self) -> Array:
        """(S, T+1, R, N)."""
        return self.states.h


@dataclass(frozen=True)
class GRUCell(GatedCell):
    """h_t = (1 - z) * n + z * h_{t-1}, or with update = "new" z * n + (1 - z) * h_{t-1}.

    Parameters of a layer, for each gate q of r, z, n: q.W_in (D, N), q.W_rec (N, N), q.bias (N,); with the reset after
    the product also n.bias_rec (N,).

    Parameters
    ----------
    input_size, hidden_size : int
        D and N.
    w_init, recurrent_init, bias_init, joint_init
        See `Gates`.
    reset : {"after", "before"}
        Whether r scales h_{t-1} W_rec + b_rec (cuDNN, torch) or h_{t-1} itself (arXiv 1406.1078, char-rnn).
    update : {"old", "new"}
        Whether z weighs the old state (cuDNN, torch) or the new one (char-rnn).
    """

    input_size: int
    hidden_size: int
    w_init: str
    recurrent_init: str
    bias_init: str
    joint_init: bool = False
    reset: str = "after"
    update: str = "old"

    @cached_property
    def gates(self) -> Gates:
        """The three gates."""
        sizes = (self.input_size, self.hidden_size)
        return Gates(GATES, *sizes, self.w_init, self.recurrent_init, self.bias_init, self.joint_init)

    @property
    def state_size(self) -> int:
        """N."""
        return self.hidden_size

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """Initial parameters in float64; no buffers."""
        params = self.gates.init(rng)
        if self.reset == "after":
            params["n.bias_rec"] = self.gates.bias(rng)
        return params, {}

    def states(self, cache: GRUCache) -> Array:
        """h of all steps."""
        return cache.h

    def forward(self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array) -> GRUCache:
        """States of all steps from h0 (S, R, N)."""
        cut, backend, n = run.slicing, run.context.backend, self.hidden_size
        W_in, W_rec, bias = (self._turned(self.gates.stacked(params, name)) for name in ("W_in", "W_rec", "bias"))
        panels_in, spread = self.gates.folded(run, x, W_in, bias)
        second = run.xp.zeros((cut.slices, 1, cut.rows, n), run.dtype)
        second += params.get("n.bias_rec", 0)
        values = run.lease.take((cut.slices, 4, cut.times, cut.rows, n), run.dtype)
        states = backend.kernels.gru.GRUStates(run.buffer(n), values)
        states.h[:, 0] = h0
        backend.kernels.gru.gru_forward(
            x.raw, gate(x), panels_in, np.concatenate([spread, second], axis=1), self.gates.packed(backend, W_rec),
            self.reset == "after", cut.lengths, cut.tile_steps(W_rec.size), states,
        )  # fmt: skip
        if run.wants("h"):
            run.keep("h", states.h)
        if run.wants("gates"):
            self.gates.keep(run, self._as_named(values).swapaxes(0, 1))
        return GRUCache(x, W_in, W_rec, states)

    def backward(
        self, run: Pass, cache: GRUCache, dy: GradSignal, mask: Array, carry: Array, gx: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of all parameters from dL/dh = mask * dy; see `npr.cells.base.Cell`."""
        cut, backend, n, dtype = run.slicing, run.context.backend, self.hidden_size, run.dtype
        S, R = cut.slices, cut.rows
        shapes = {"W_in": (S, 3, self.input_size, n), "W_rec": (S, 3, n, n), "bias": (S, 4, R, n)}
        grads = backend.kernels.gru.GRUGrads(*(run.sums(*item) for item in shapes.items()), carry)
        target = run.xp.empty((0, 1, 1, 1), dtype) if gx is None else gx
        backend.kernels.gru.gru_backward(
            cache.x.raw, gate(cache.x), self.gates.packed(backend, cache.W_in, transposed=True),
            self.gates.packed(backend, cache.W_rec, transposed=True), self.reset == "after",
            cut.lengths, cut.tile_steps(cache.W_rec.size), cache.states, dy.raw, mask, dy.first, target, grads,
            run.xp.empty((S, R, n), dtype),
        )  # fmt: skip
        if not run.summed:
            return {}, GradSignal(target)
        sums = (side_by_side(part) for part in (grads.W_in, grads.W_rec, grads.row_sums[:, :3]))
        found = self.gates.unfolded(cache.x, cache.W_in, *sums)
        named = found.params
        if self.update == "new":
            named |= {name: -value for name, value in named.items() if name.startswith("z.")}
        if self.reset == "after":
            named["n.bias_rec"] = grads.row_sums[:, 3].sum((0, 1))
        return named, GradSignal(target, 0, 0, found.sum_dy, found.sum_dyh)

    def widened(self, run: Pass, cache: GRUCache) -> tuple[GRUCell, GRUCache]:
        """See `npr.cells.base.Cell`."""
        x, W_in = widened(run, cache.x, cache.W_in)
        return replace(self, input_size=len(W_in)), cache._replace(x=x, W_in=W_in)

    def keep_gradients(self, run: Pass, cache: GRUCache, delta: Array, drive: Array, carry: Array) -> None:
        """delta (T, B, 3N) of the gates r, z, n; dh_t = drive_t + dh_{t+1} * z_{t+1} + delta_{t+1} W_rec^T, the part
        of n with r_{t+1} at its place."""
        n = self.hidden_size
        r, z = (cache.states.gates[:, q] for q in (0, 1))
        dh = drive + at_the_end(run, carry)
        W = [cache.W_rec[:, q * n : (q + 1) * n].T for q in range(3)]
        for t in range(run.slicing.times - 1, 0, -1):
            d_r, d_z, d_n = (delta[:, t + 1, :, q * n : (q + 1) * n] for q in range(3))
            inner = (d_n * r[:, t]) @ W[2] if self.reset == "after" else (d_n @ W[2]) * r[:, t]
            along = dh[:, t + 1] * z[:, t] + d_r @ W[0] + d_z @ W[1] + inner
            dh[:, t] += np.where((t < run.slicing.lengths)[..., None], along, 0)
        sign = -1 if self.update == "new" else 1
        run.keep("delta", delta * np.repeat(np.array([1, sign, 1], run.dtype), n))
        run.keep("dh", dh)

    def _as_named(self, values: Array) -> Array:
        """Values (S, 4, T, R, N) with z as the cell's equation has it."""
        if self.update == "new":
            values = values.copy()
            values[:, 1] = 1 - values[:, 1]
        return values

    def _turned(self, stacked: Array) -> Array:
        """The arrays of all gates (..., 3N) with those of z negated where z weighs the new state:
        1 - sigmoid(a) = sigmoid(-a), so the kernel knows one form only."""
        if self.update == "new":
            n = self.hidden_size
            stacked = stacked.copy()
            stacked[..., n : 2 * n] *= -1
        return stacked
