"""ResRNN: a stream that moves past one residual block, inputs entering on the left, outputs leaving on the right.

Parameter names layers.0.{s0, W1, b1, W2, b2}; there is no readout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from npr import initializers
from npr.cells.gradients import arriving, at_the_end
from npr.context import GradSignal, Pass, Signal
from npr.errors import ConfigError
from npr.fields import one_of, whole, within
from npr.networks.base import Cache, Layers, Network
from npr.params import Array, Buffers, Params, prefixed, scope
from npr.registry import models

_LAYER = "layers.0."


class StreamCache(NamedTuple):
    """What the backward pass needs: row t of r holds r_{t+1} = [x_{t+1} | h_t], row t of z the hidden z_{t+1}."""

    r: Array  # (S, T+1, R, n)
    z: Array  # (S, T+1, R, n)


@models.register("resrnn")
@dataclass(frozen=True)
class ResRNN(Network):
    """A residual block with a weighted skip, run over a stream that shifts by input_size columns a step.

    r_t = [x_t | h_{t-1}], s_t = linearity r_t + (1 - linearity) (max(r_t W1 + b1, 0) W2 + b2); the state h_t is the
    left-most hidden_size columns of s_t, the output its right-most output_size columns. The two overlap. Without an
    initial state h_0 = (1 - linearity) s0 with s0 learnt; one that is passed in is taken as it is.

    Parameters
    ----------
    input_size, output_size : int
        Features per step, and outputs: at most input_size + hidden_size.
    hidden_size : int
        Columns of the state.
    readout : {"last", "every"}
        Whether the output is that of the last step or of every step.
    linearity : float
        Weight of the skip.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Source: DoxasticFox/res-rnn, nnmodules/__init__.py. Its initial weights: W1 Glorot uniform, W2 Kaiming uniform,
    all else zero.
    """

    input_size: int
    output_size: int
    hidden_size: int = 200
    readout: str = "last"
    linearity: float = 0.99999

    ties: ClassVar[bool] = False

    def __post_init__(self) -> None:
        whole("[1, 1e9]", input_size=self.input_size, output_size=self.output_size, hidden_size=self.hidden_size)
        one_of(("last", "every"), readout=self.readout)
        within("[0, 1)", linearity=self.linearity)
        self.check_symbols((self.input_size, self.output_size), self.readout_size())
        if self.output_size > self._width:
            raise ConfigError(
                f"hidden_size = {self.hidden_size} is not valid; outputs are columns of the stream, so "
                f"input_size + hidden_size must be at least output_size = {self.output_size}."
            )

    @property
    def _width(self) -> int:
        """Columns of the stream."""
        return self.features + self.hidden_size

    @property
    def _gain(self) -> float:
        """Weight of the block."""
        return 1 - self.linearity

    def state_sizes(self) -> list[int]:
        """One state."""
        return [self.hidden_size]

    def readout_size(self) -> int:
        """The output's own columns."""
        return self.output_size

    def decays(self, name: str) -> bool:
        """The two matrices."""
        return name.endswith((".W1", ".W2"))

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        n = self._width
        own = {
            "s0": np.zeros(self.hidden_size),
            "W1": initializers.glorot_uniform(rng, (n, n)),
            "b1": np.zeros(n),
            "W2": initializers.kaiming_uniform(rng, (n, n)),
            "b2": np.zeros(n),
        }
        return prefixed(_LAYER, own), {}

    def _starts(self, run: Pass, params: Params) -> list[Array]:
        shape = (run.slicing.slices, run.slicing.rows, self.hidden_size)
        return [np.broadcast_to(self._gain * params[_LAYER + "s0"], shape)]

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        own, n, backend = scope(params, _LAYER), self._width, run.context.backend
        r, z, y = run.buffer(n), run.buffer(n), run.buffer(self.output_size)
        r[:, 0, :, self.features :] = starts[0]
        biases = [np.tile(own[name], (run.slicing.rows, 1)) for name in ("b1", "b2")]
        backend.kernels.shifted.shifted_forward(
            x.raw, backend.pack(own["W1"]), biases[0], backend.pack(own["W2"]), biases[1], self._stream(run), r, z, y
        )
        states = [r[..., self.features :]]
        if run.wants("h"):
            run.within(_LAYER).keep("h", states[0])
        if run.wants("pre_activation"):
            a = np.zeros_like(r)
            a[:, 1:] = r[:, :-1] @ own["W1"] + own["b1"]
            run.within(_LAYER).keep("pre_activation", a)
        return Layers(Signal(y, self.output_size), states, buffers, StreamCache(r, z))

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        own, n, backend, dtype = scope(params, _LAYER), self._width, run.context.backend, run.dtype
        slices, rows = run.slicing.slices, run.slicing.rows
        dw_1, dw_2 = run.sums("W1", (slices, n, n)), run.sums("W2", (slices, n, n))
        sums_1, sums_2 = run.sums("b1", (slices, rows, n)), run.sums("b2", (slices, rows, n))
        if run.wants("gradients"):
            self._keep_gradients(run.within(_LAYER), own, cache.layers, dy, carries[0])
        target = run.xp.empty((0, 1, 1, 1), dtype) if gx is None else gx
        backend.kernels.shifted.shifted_backward(
            backend.pack(own["W1"].T), backend.pack(own["W2"].T), self._stream(run), *cache.layers,
            dy.raw, dy.first, target, dw_1, dw_2, sums_1, sums_2, carries[0],
        )  # fmt: skip
        d_start = self._gain * carries[0].sum((0, 1)) if cache.own_start else run.xp.zeros(self.hidden_size)
        sums = {"s0": d_start, "b1": sums_1.sum((0, 1)), "b2": sums_2.sum((0, 1))}
        return prefixed(_LAYER, sums | {"W1": dw_1.sum(0), "W2": dw_2.sum(0)})

    def _keep_gradients(self, run: Pass, own: Params, stream: StreamCache, dy: GradSignal, carry: Array) -> None:
        """Keep delta_t = dL/da_t and dh_t = dL/dh_t; h_t and the output may share columns of s_t."""
        n, D = self._width, self.features
        d_y, last = arriving(run, dy, run.xp.empty((0, 0, 0)), self.output_size), at_the_end(run, carry)
        delta, dh = np.zeros_like(stream.z), run.xp.zeros((*stream.z.shape[:3], self.hidden_size), run.dtype)
        later = np.zeros_like(dh[:, 0])
        for t in range(run.slicing.times, 0, -1):
            ds = run.xp.zeros((*later.shape[:2], n), run.dtype)
            ds[..., : self.hidden_size] = later + last[:, t]
            ds[..., n - self.output_size :] += d_y[:, t]
            dh[:, t] = ds[..., : self.hidden_size]
            delta[:, t] = self._gain * (ds @ own["W2"].T) * (stream.z[:, t - 1] > 0)
            later = (self.linearity * ds + delta[:, t] @ own["W1"].T)[..., D:]
            later *= (t <= run.slicing.lengths)[..., None]
        run.keep("delta", delta)
        run.keep("dh", dh)

    def _stream(self, run: Pass) -> Any:
        steps = run.slicing.tile_steps(self._width**2)
        return run.context.backend.kernels.shifted.Stream(run.slicing.lengths, self.linearity, self._gain, steps)

    def _init_readout(self, rng: np.random.Generator) -> dict[str, Array]:
        return {}

    def read_last(self, params: Params, value: Array) -> Array:
        """The values themselves."""
        return value

    def read_last_backward(self, params: Params, value: Array, d_output: Array) -> tuple[Params, Array]:
        """dL/dvalue is dL/doutput."""
        return {}, d_output

    def _read_every(self, run: Pass, params: Params, top: Signal) -> tuple[Array, Any]:
        return run.join(top.raw), None

    def _read_every_backward(self, run: Pass, cache: Cache, d_output: Array) -> tuple[Params, GradSignal]:
        return {}, GradSignal(run.split(d_output))
