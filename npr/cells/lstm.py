"""The LSTM cell; the equations are those of `npr.kernels.lstm`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from npr.cells.gates import GatedCell, Gates
from npr.cells.gradients import at_the_end, following, widened
from npr.context import GradSignal, Pass, Signal
from npr.layers.fold import fold, gate
from npr.parametrizations.matrix_init import initial_matrix
from npr.params import Array, Buffers, Params

GATES = "ifgo"


class LSTMCache(NamedTuple):
    """Input, matrices and states of one forward pass."""

    x: Signal
    W_in: Array  # (D, 4N)
    W_rec: Array  # (N, 4N)
    peephole: Array | None
    states: Any

    @property
    def h(self) -> Array:
        """(S, T+1, R, N)."""
        return self.states.h


@dataclass(frozen=True)
class LSTMCell(GatedCell):
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t), the gates from x_t and h_{t-1}. The state is [h | c], (B, 2N).

    Parameters of a layer, for each gate q of i, f, g, o: q.W_in (D, N), q.W_rec (N, N), q.bias (N,), with two biases
    also q.bias_rec (N,); peephole (N, N).

    Parameters
    ----------
    input_size, hidden_size : int
        D and N.
    w_init, recurrent_init, bias_init : str
        See `Gates`.
    joint_init : bool
        See `Gates`.
    forget_bias : float
        Initial bias of the forget gate, the first if there are two; 0 leaves it as `bias_init` drew it.
    two_biases : bool
        Whether each gate has a second bias, as in cuDNN, chainer and char-rnn; it doubles the step of their sum.
    peephole : bool
        Whether the output gate sees the new cell state through a full matrix, initial values by `recurrent_init`.
    """

    input_size: int
    hidden_size: int
    w_init: str
    recurrent_init: str
    bias_init: str
    joint_init: bool = False
    forget_bias: float = 0.0
    two_biases: bool = False
    peephole: bool = False

    @cached_property
    def gates(self) -> Gates:
        """The four gates."""
        sizes = (self.input_size, self.hidden_size)
        return Gates(GATES, *sizes, self.w_init, self.recurrent_init, self.bias_init, self.joint_init)

    @property
    def state_size(self) -> int:
        """2N."""
        return 2 * self.hidden_size

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """Initial parameters in float64; no buffers."""
        params = self.gates.init(rng)
        if self.two_biases:
            params |= {f"{q}.bias_rec": self.gates.bias(rng) for q in GATES}
        if self.forget_bias:
            params["f.bias"] = np.full_like(params["f.bias"], self.forget_bias)
        if self.peephole:
            params["peephole"] = initial_matrix(self.recurrent_init, rng, self.hidden_size)
        return params, {}

    def states(self, cache: LSTMCache) -> Array:
        """[h | c] after the last step, (S, 1, R, 2N)."""
        return np.concatenate([cache.states.h[:, -1:], cache.states.c[:, -1:]], axis=3)

    def forward(self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array) -> LSTMCache:
        """States of all steps from [h | c] = h0 (S, R, 2N)."""
        cut, backend, n = run.slicing, run.context.backend, self.hidden_size
        W_in, W_rec = self.gates.stacked(params, "W_in"), self.gates.stacked(params, "W_rec")
        bias = self.gates.stacked(params, "bias")
        if self.two_biases:
            bias = bias + self.gates.stacked(params, "bias_rec")
        folded, rows = fold(x, W_in, bias, (cut.slices, cut.rows))
        values = run.lease.take((cut.slices, cut.times, cut.rows, len(GATES) * n), run.dtype)
        states = backend.kernels.lstm.LSTMStates(run.buffer(n), run.buffer(n), values)
        states.h[:, 0], states.c[:, 0] = h0[..., :n], h0[..., n:]
        peephole = params.get("peephole")
        backend.kernels.lstm.lstm_forward(
            x.raw, gate(x), backend.pack(folded), rows, backend.pack(W_rec), _panels(backend, peephole, run.dtype),
            cut.lengths, cut.tile_steps(W_rec.size), states,
        )  # fmt: skip
        if run.wants("h"):
            run.keep("h", states.h)
            run.keep("c", states.c)
        if run.wants("gates"):
            self.gates.keep(run, np.split(values, len(GATES), axis=-1))
        return LSTMCache(x, W_in, W_rec, peephole, states)

    def backward(
        self, run: Pass, cache: LSTMCache, dy: GradSignal, mask: Array, carry: Array, gx: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of all parameters from dL/dh = mask * dy; see `npr.cells.base.Cell`."""
        cut, backend, n, dtype = run.slicing, run.context.backend, self.hidden_size, run.dtype
        S, R, Q = cut.slices, cut.rows, len(GATES)
        shapes = {"W_in": (S, self.input_size, Q * n), "W_rec": (S, n, Q * n), "bias": (S, R, Q * n)}
        shapes["peephole"] = (S, n, n) if self.peephole else (S, 0, 0)
        dh, dc = run.xp.ascontiguousarray(carry[..., :n]), run.xp.ascontiguousarray(carry[..., n:])
        grads = backend.kernels.lstm.LSTMGrads(*(run.sums(*item) for item in shapes.items()), dh, dc)
        target = run.xp.empty((0, 1, 1, 1), dtype) if gx is None else gx
        backend.kernels.lstm.lstm_backward(
            cache.x.raw, gate(cache.x), backend.pack(cache.W_in.T), backend.pack(cache.W_rec.T),
            _panels(backend, None if cache.peephole is None else cache.peephole.T, dtype),
            cut.lengths, cut.tile_steps(cache.W_rec.size), cache.states, dy.raw, mask, dy.first, target, grads,
            run.xp.empty((S, 2, R, n), dtype),
        )  # fmt: skip
        carry[..., :n], carry[..., n:] = dh, dc
        if not run.summed:
            return {}, GradSignal(target)
        found = self.gates.unfolded(cache.x, cache.W_in, grads.W_in, grads.W_rec, grads.row_sums)
        named = found.params
        if self.two_biases:
            named |= {f"{q}.bias_rec": named[f"{q}.bias"] for q in GATES}
        if self.peephole:
            named["peephole"] = grads.peephole.sum(0)
        return named, GradSignal(target, 0, 0, found.sum_dy, found.sum_dyh)

    def widened(self, run: Pass, cache: LSTMCache) -> tuple[LSTMCell, LSTMCache]:
        """See `npr.cells.base.Cell`."""
        x, W_in = widened(run, cache.x, cache.W_in)
        return replace(self, input_size=len(W_in)), cache._replace(x=x, W_in=W_in)

    def keep_gradients(self, run: Pass, cache: LSTMCache, delta: Array, drive: Array, carry: Array) -> None:
        """delta (T, B, 4N) of the gates i, f, g, o; dh_t = drive_t + delta_{t+1} W_rec^T and
        dc_t = dh_t * o_t * (1 - tanh(c_t)^2) + dc_{t+1} * f_{t+1}, with a peephole + delta_{o,t} V_o^T."""
        n = self.hidden_size
        dh = drive + at_the_end(run, carry[..., :n]) + following(delta) @ cache.W_rec.T
        _, f, _, o = np.split(cache.states.gates, len(GATES), axis=-1)
        dc = at_the_end(run, carry[..., n:])
        dc[:, 1:] += dh[:, 1:] * o * (1 - np.tanh(cache.states.c[:, 1:]) ** 2)
        if cache.peephole is not None:
            dc += delta[..., 3 * n :] @ cache.peephole.T
        for t in range(run.slicing.times - 1, 0, -1):
            going_on = (t < run.slicing.lengths)[..., None]
            dc[:, t] += np.where(going_on, dc[:, t + 1] * f[:, t], 0)
        for name, series in (("delta", delta), ("dh", dh), ("dc", dc)):
            run.keep(name, series)


def _panels(backend: Any, matrix: Array | None, dtype: np.dtype) -> Array:
    """Panels of a matrix, or none."""
    return np.empty((0, 1, 1), dtype) if matrix is None else backend.pack(matrix)
