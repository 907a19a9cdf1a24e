"""What every network does around its layers: cutting the batch, the readout, state in and out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npr import params as parameters
from npr.context import Backward, Context, Forward, GradSignal, Pass, Signal, State
from npr.fields import whole
from npr.layers.embedding import Embedding, EmbeddingCache, SymbolOptions
from npr.layers.linear import Linear, gradient_last, value_last
from npr.networks import recomputed
from npr.params import Array, Buffers, Params, prefixed, scope
from npr.slices import Slicing

EMBEDDING = "embedding."
READOUT = "readout."


class Cache(NamedTuple):
    """Everything the backward pass reads, and the series that were asked for by name."""

    run: Pass
    x: Signal
    symbols: EmbeddingCache | None  # where the input was symbols
    layers: Any
    top: Signal
    readout: Any
    last: tuple[Array, Array] | None  # raw activation and value (B, channels) where only the last step is read
    kept: dict[str, Array]
    own_start: bool  # no initial state was passed in


class Layers(NamedTuple):
    """Result of the layers of a network: the signal for the readout, states, buffers, caches."""

    top: Signal
    states: list[Array]  # (S, any, R, n) per recurrent layer; the last row of time is the final state
    buffers: Buffers
    caches: Any


class Network(SymbolOptions):
    """Forward and backward around `_forward_layers` and `_backward_layers` of a network.

    A network is a frozen dataclass with at least the fields below; readout is "last" or "every". Its first layer
    reads `features` channels.
    """

    input_size: int
    output_size: int
    readout: str
    readout_init: str
    bias_init: str = "zero"

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> tuple[Params, Buffers]:
        """Parameters as views of one flat buffer of `dtype`; batch norm's statistics in float64."""
        params, buffers = self._init_layers(rng)
        params |= prefixed(READOUT, self._init_readout(rng))
        params = prefixed(EMBEDDING, self._embedding.init(rng, self.embedding_init)) | params
        return parameters.pack(params, dtype), buffers

    def forward(
        self,
        ctx: Context,
        params: Params,
        buffers: Buffers,
        x: Array,
        state: State | None = None,
        lengths: Array | None = None,
    ) -> Forward:
        """Outputs for x.

        Parameters
        ----------
        x : Array (T, B, input_size), in the dtype of the parameters; or (T, B) of int, symbols 0..input_size-1
        state : tuple of Array (B, n), optional
            Initial state of every recurrent layer; the network's own, mostly zero, if not given.
        lengths : Array (B,) of int, optional
            Steps of every sequence, 1..T. A sequence that has ended keeps its state, counts in no statistics,
            and its later outputs are zero.

        Returns
        -------
        Forward
            output (B, output_size) or, with readout "every", (T, B, output_size).

        Raises
        ------
        ValueError, ConfigError
            If a shape or dtype, or bptt_checkpoint, does not fit.
        """
        dtype = next(iter(params.values())).dtype
        self._check(x, dtype, state)
        slicing = ctx.backend.cut(x.shape[0], x.shape[1], lengths)
        run = Pass(ctx, slicing, ctx.backend.pool.lease(), dtype, {})
        if state is None:
            starts = self._starts(run, params)
        else:
            starts = [slicing.split_rows(part.astype(dtype, copy=False)) for part in state]
        whole("[0, inf)", bptt_checkpoint=ctx.bptt_checkpoint)
        if ctx.bptt_checkpoint:
            self.check_recomputed(ctx.bptt_checkpoint)
            if not ctx.keep and slicing.whole_tiles(ctx.bptt_checkpoint) < slicing.times:
                return recomputed.forward(self, run, params, buffers, recomputed.Given(x, starts, state is None))
        output, done, cache = self.through(run, params, buffers, x, starts)
        if cache.last is not None:
            output = self.read_last(params, cache.last[1])
        final = tuple(slicing.join_rows(h[:, -1]) for h in done.states)
        return Forward(output, final, done.buffers, cache._replace(own_start=state is None))

    def through(
        self, run: Pass, params: Params, buffers: Buffers, x: Array, starts: list[Array]
    ) -> tuple[Any, Layers, Cache]:
        """All steps of x, or those of one stretch: outputs of every step, or None where only the last is read."""
        symbols, signal = self._read_input(run, params, x)
        done = self._forward_layers(run, params, buffers, signal, starts)
        output, readout, last = None, None, None
        if self.readout == "last":
            last = value_last(run, done.top)
        else:
            output, readout = self._read_every(run, self._readout(params), done.top)
        return output, done, Cache(run, signal, symbols, done.caches, done.top, readout, last, run.kept, False)

    def backward(
        self,
        ctx: Context,
        params: Params,
        cache: Cache,
        d_output: Array,
        d_state: State | None = None,
        input_gradient: bool = True,
    ) -> Backward:
        """Gradients of the loss with dL/doutput = d_output and dL/dstate = d_state (zero if not given).

        Returns
        -------
        Backward
            params named and shaped like the parameters, in one flat buffer; x (T, B, input_size), or None
            without input_gradient or for symbols; state, dL/dh_0 of every recurrent layer (B, n).

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        run = cache.run
        slicing = run.slicing
        self._check_gradient(slicing, d_output, d_state)
        carries = self._zeros(run)
        if d_state is not None:
            carries = [slicing.split_rows(part.astype(run.dtype, copy=False)) for part in d_state]
        named: Params = {}
        d_output = run.xp.asarray(d_output, run.dtype)
        if cache.last is not None:
            named, d_output = self.read_last_backward(params, cache.last[1], d_output)
        if isinstance(cache, recomputed.RecomputedCache):
            found, dx = recomputed.backward(self, params, cache, d_output, carries, input_gradient)
        else:
            found, dx = self.back_through(run, params, cache, d_output, carries, input_gradient)
        named |= found
        if self.tied:
            named[EMBEDDING + "W"] = named[EMBEDDING + "W"] + named[READOUT + "W"].T
        flat = parameters.pack({name: named[name] for name in params}, run.dtype)
        return Backward(flat, dx, tuple(slicing.join_rows(carry) for carry in carries))

    def back_through(
        self, run: Pass, params: Params, cache: Cache, d_output: Array, carries: list, input_gradient: bool
    ) -> tuple[Params, Array | None]:
        """Backward of `through`: gradients of the parameters, complete in the first stretch, and dL/dx. d_output is
        dL/doutput of every step, or dL/dvalue (B, channels); carries, dL/dh after the last step, become dL/dh_0."""
        if cache.last is not None:
            named: Params = {}
            dy = gradient_last(run, cache.top, cache.last[0], d_output, run.buffer(cache.top.channels))
        else:
            named, dy = self._read_every_backward(run, cache, d_output)
        wanted = input_gradient if cache.symbols is None else self.embedding_size > 0
        gx = run.buffer(cache.x.raw.shape[3]) if wanted else None
        named |= self._backward_layers(run, params, cache, dy, carries, gx)
        if gx is not None and cache.symbols is not None:
            place = run.within(EMBEDDING)
            return named | prefixed(EMBEDDING, self._embedding.backward(place, cache.symbols, gx)), None
        return named, None if gx is None else run.join(gx)

    def project(self, params: Params, buffers: Buffers) -> Buffers:
        """Nothing to keep within bounds: the buffers as they are."""
        return buffers

    def decays(self, name: str) -> bool:
        """Weights and the gamma of batch norm decay; biases and beta never do."""
        return name.rsplit(".", 1)[-1] in ("W", "W_in", "gamma")

    def orthogonal(self, name: str) -> bool:
        """No parameter is trained with a rate of its own."""
        return False

    def penalty(self, params: Params) -> tuple[float, Params]:
        """No term beside the loss."""
        return 0.0, {}

    def check_recomputed(self, steps: int) -> None:
        """Raise ConfigError if the states cannot be computed again in stretches of `steps`."""

    @property
    def features(self) -> int:
        """Channels that the first layer reads."""
        return self.embedding_size or self.input_size

    @property
    def _embedding(self) -> Embedding:
        return Embedding(self.input_size, self.embedding_size, self.dropout_embedding)

    def state_sizes(self) -> list[int]:
        """Scalars of the state of every recurrent layer, for one sequence."""
        raise NotImplementedError

    def readout_size(self) -> int:
        """Channels that the readout sees."""
        return self.state_sizes()[-1]

    def readout_bias_init(self) -> str:
        """Initial bias of the readout, by a name of `npr.initializers.BIASES`."""
        return self.bias_init

    def _read_input(self, run: Pass, params: Params, x: Array) -> tuple[EmbeddingCache | None, Signal]:
        if x.ndim == 3:
            return None, Signal(run.split(x), self.input_size)
        return self._embedding.forward(run.within(EMBEDDING), scope(params, EMBEDDING), x)

    def _readout(self, params: Params) -> Params:
        own = scope(params, READOUT)
        return {"W": params[EMBEDDING + "W"].T.copy(), **own} if self.tied else own

    def _starts(self, run: Pass, params: Params) -> list[Array]:
        """States (S, R, n) before the first step where the caller passes none."""
        return self._zeros(run)

    def _zeros(self, run: Pass) -> list[Array]:
        return [run.xp.zeros((run.slicing.slices, run.slicing.rows, n), run.dtype) for n in self.state_sizes()]

    def _init_readout(self, rng: np.random.Generator) -> dict[str, Array]:
        size = (self.readout_size(), self.output_size)
        own = Linear(*size).init(rng, self.readout_init, self.readout_bias_init())
        if self.tied:
            del own["W"]
        return own

    def read_last(self, params: Params, value: Array) -> Array:
        """Outputs (B, K) from the values (B, channels) after the last step."""
        own = self._readout(params)
        return value @ own["W"] + own["bias"]

    def read_last_backward(self, params: Params, value: Array, d_output: Array) -> tuple[Params, Array]:
        """Gradients of the readout, and dL/dvalue (B, channels)."""
        grads = {"W": value.T @ d_output, "bias": d_output.sum(0)}
        return prefixed(READOUT, grads), d_output @ self._readout(params)["W"].T

    def _read_every(self, run: Pass, params: Params, top: Signal) -> tuple[Array, Any]:
        y = run.buffer(self.output_size)
        cache, _ = Linear(top.channels, self.output_size).forward(run, params, top, y)
        return run.join(y), cache

    def _read_every_backward(self, run: Pass, cache: Cache, d_output: Array) -> tuple[Params, GradSignal]:
        linear, gy = Linear(cache.top.channels, self.output_size), run.split(d_output)
        grads, dy = linear.backward(run.within(READOUT), cache.readout, gy, run.buffer(cache.top.channels))
        return prefixed(READOUT, grads), dy

    def _check(self, x: Array, dtype: np.dtype, state: State | None) -> None:
        if x.ndim == 2 and x.dtype.kind in "iu":
            if x.size and not 0 <= x.min() <= x.max() < self.input_size:
                raise ValueError(f"x has symbols {x.min()}..{x.max()}, wanted 0..{self.input_size - 1}")
        elif x.ndim != 3 or x.shape[2] != self.input_size or x.dtype != dtype or self.embedding_size:
            wanted = "" if self.embedding_size else f"(T, B, {self.input_size}) of {dtype} or "
            raise ValueError(f"x must be {wanted}(T, B) of integers, got {x.shape} of {x.dtype}")
        self._check_state("state", x.shape[1], state)

    def _check_gradient(self, slicing: Slicing, d_output: Array, d_state: State | None) -> None:
        rows = (slicing.batch, self.output_size)
        wanted = rows if self.readout == "last" else (slicing.times, *rows)
        if np.shape(d_output) != wanted:
            raise ValueError(f"d_output must have the output's shape {wanted}, got {np.shape(d_output)}")
        self._check_state("d_state", slicing.batch, d_state)

    def _check_state(self, name: str, batch: int, state: State | None) -> None:
        shapes = [(batch, n) for n in self.state_sizes()]
        if state is not None and [np.shape(part) for part in state] != shapes:
            raise ValueError(f"{name} must hold arrays of shapes {shapes}, got {[np.shape(part) for part in state]}")

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        raise NotImplementedError

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        raise NotImplementedError

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        raise NotImplementedError
