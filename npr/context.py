"""What a pass through a network is told, and what travels between its layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike

from npr.params import Array, Buffers, Params
from npr.slices import Slicing
from npr.stretches import Stretches

State = tuple[Array, ...]


class Context(NamedTuple):
    """Choices of one forward pass.

    Attributes
    ----------
    backend : Backend
        From `npr.backends.get_backend`.
    norm : {"batch", "running"}
        Statistics that batch normalisation uses: those of this batch, or the stored ones.
    dropout : bool
        Whether dropout draws masks, one per sequence and unit.
    rng : numpy.random.Generator, optional
        Source of the masks; needed if `dropout` is true.
    norm_weight : float, optional
        Weight of this batch in the stored statistics; None takes each layer's momentum, 0.0 leaves them.
    keep : frozenset of str
        Series (T, B, N) that `cache.kept` shall hold for inspection, under "layers.<i>.<name>": "pre_activation",
        "gates" and "h" of the forward pass; "gradients" of the backward pass that follows, which gives delta = dL/da_t
        and dh = dL/dh_t.
    bptt_checkpoint : int
        Steps of a stretch whose states the backward pass computes again, see `npr.networks.recomputed`: x must stay as
        it is until then. 0 keeps the states of all steps, as does a context that keeps series.
    """

    backend: Any
    norm: str = "batch"
    dropout: bool = False
    rng: np.random.Generator | None = None
    norm_weight: float | None = None
    keep: frozenset[str] = frozenset()
    bptt_checkpoint: int = 0


class Pass(NamedTuple):
    """A context together with how this batch is cut, where its large arrays come from and where kept series go.

    A sequence may go through in stretches, each a pass of its own; `stretches` is what they have in common.
    """

    context: Context
    slicing: Slicing
    lease: Any
    dtype: np.dtype
    kept: dict[str, Array]
    place: str = ""
    stretches: Stretches | None = None

    def within(self, name: str) -> Pass:
        """The same pass for a part of the network; `name` ends with a dot."""
        return self._replace(place=self.place + name)

    def wants(self, what: str) -> bool:
        """Whether the context asks for a kind of series."""
        return what in self.context.keep

    def keep(self, name: str, x: Array) -> None:
        """Keep x (S, T+1, R, F) as a series (T, B, F) of the part."""
        self.kept[self.place + name] = self.join(x)

    def sums(self, name: str, shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
        """An array for sums over time that a backward kernel adds to: zero, or what later stretches left in it."""
        dtype = self.dtype if dtype is None else dtype
        if self.stretches is None:
            return self.xp.zeros(shape, dtype)
        return self.stretches.sums(self.place + name, lambda: self.xp.zeros(shape, dtype))

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for all stretches of a sequence."""
        return make() if self.stretches is None else self.stretches.once(self.place + name, make)

    @property
    def xp(self) -> Any:
        """The library whose arrays this pass computes with."""
        return self.context.backend.xp

    @property
    def summed(self) -> bool:
        """Whether this backward pass completes the sums: it has come to the first step of the sequence."""
        return self.stretches is None or self.stretches.at_first

    def buffer(self, width: int) -> Array:
        """An uninitialised (S, T+1, R, width) array that lives as long as the pass's cache."""
        return self.lease.take(self._shape(width), self.dtype)

    def split(self, x: Array) -> Array:
        """(T, B, F) as (S, T+1, R, F), zero before the first step and after the end of a sequence."""
        out = self.lease.take(self._shape(x.shape[2]), x.dtype)
        self.context.backend.kernels.layout.split(self.xp.ascontiguousarray(x), self.slicing.lengths, out)
        return out

    def join(self, x: Array) -> Array:
        """(S, T+1, R, F) as a new (T, B, F), zero after the end of a sequence."""
        out = self.xp.empty((self.slicing.times, self.slicing.batch, x.shape[3]), x.dtype)
        self.context.backend.kernels.layout.join(self.xp.ascontiguousarray(x), self.slicing.lengths, out)
        return out

    def _shape(self, width: int) -> tuple[int, ...]:
        cut = self.slicing
        return cut.slices, cut.times + 1, cut.rows, width


class Signal(NamedTuple):
    """Activations (S, T+1, R, >= channels) not yet normalised or masked: value = mask * (scale * raw + shift)."""

    raw: Array
    channels: int
    scale: Array | None = None  # (channels,)
    shift: Array | None = None  # (channels,)
    mask: Array | None = None  # (S, R, channels)


class GradSignal(NamedTuple):
    """dL/dvalue of a Signal, in columns of raw; nothing arrives before step `first`.

    sum_dy and sum_dyh are the sums over all entries of mask * dL/dvalue and of that times the raw activation,
    which batch norm needs and the product that wrote `raw` knows; None if nobody has computed them.
    """

    raw: Array
    column: int = 0
    first: int = 0
    sum_dy: Array | None = None
    sum_dyh: Array | None = None


class Forward(NamedTuple):
    """Result of a forward pass: output (B, K) or (T, B, K), final state, new buffers, cache for backward."""

    output: Array
    state: State
    buffers: Buffers
    cache: Any


class Backward(NamedTuple):
    """Result of a backward pass: gradients named like the parameters, dL/dx (T, B, D) or None, dL/dstate."""

    params: Params
    x: Array | None
    state: State


class Model(Protocol):
    """A registered network: a frozen dataclass of sizes and options that holds no array."""

    input_size: int
    output_size: int
    seq_len: int

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> tuple[Params, Buffers]:
        """Fresh parameters and buffers."""

    def forward(
        self,
        ctx: Context,
        params: Params,
        buffers: Buffers,
        x: Array,
        state: State | None = None,
        lengths: Array | None = None,
    ) -> Forward:
        """Outputs for x (T, B, input_size)."""

    def backward(
        self,
        ctx: Context,
        params: Params,
        cache: Any,
        d_output: Array,
        d_state: State | None = None,
        input_gradient: bool = True,
    ) -> Backward:
        """Gradients of the loss whose derivative in the output is d_output."""

    def check_recomputed(self, steps: int) -> None:
        """Raise ConfigError if the backward pass cannot compute states again, in stretches of `steps`."""

    def project(self, params: Params, buffers: Buffers) -> Buffers:
        """After an update: put the parameters back into their constraint set, in place; the buffers for them."""

    def decays(self, name: str) -> bool:
        """Whether weight decay may act on the parameter called `name`."""

    def orthogonal(self, name: str) -> bool:
        """Whether the parameter called `name` has the second learning rate, that of orthogonal matrices."""

    def penalty(self, params: Params) -> tuple[float, Params]:
        """A term added to the loss, and its gradients for the parameters it acts on."""
