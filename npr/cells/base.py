"""What a network of recurrent layers asks of its cells."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from npr.context import GradSignal, Pass, Signal
from npr.params import Array, Buffers, Params


class Cell(Protocol):
    """One recurrent layer: a frozen dataclass of sizes and choices that holds no array.

    Its cache has one field for the network: h (S, T+1, R, >= units), whose first columns are the output, row 0 of time
    being the initial one. Series that the context asks for it hands to `run.keep`.
    """

    @property
    def input_size(self) -> int:
        """Channels that it reads."""
        ...

    @property
    def hidden_size(self) -> int:
        """Its units."""
        ...

    @property
    def state_size(self) -> int:
        """Scalars of the state of one sequence."""
        ...

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """Initial parameters and buffers, in float64."""
        ...

    def forward(self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array) -> Any:
        """The cache, with the states of all steps; h0 (S, R, state_size)."""
        ...

    def states(self, cache: Any) -> Array:
        """States (S, any, R, state_size); the last row of time is the final one."""
        ...

    def backward(
        self, run: Pass, cache: Any, dy: GradSignal, mask: Array, carry: Array, gx: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of all parameters from dL/doutput = mask * dy, mask (S, R, units) or empty; gx, if there is one,
        gets dL/dx, and carry (S, R, state_size), dL/dh_T from outside, becomes dL/dh_0."""
        ...

    def widened(self, run: Pass, cache: Any) -> tuple[Any, Any] | None:
        """This cell and its cache with an input of zeros for every pre-activation, see `npr.cells.gradients`; None
        if it is made of cells that have them."""
        ...

    def keep_gradients(self, run: Pass, cache: Any, delta: Array, drive: Array, carry: Array) -> None:
        """Keep delta_t = dL/da_t (S, T+1, R, ...) and what follows from it: dh_t = dL/dh_t, and dc_t if there are
        cell states. drive (S, T+1, R, units) is what arrives from above, carry dL/dh_T from outside."""
        ...

    def settle(self, params: Params, buffers: Buffers) -> Buffers:
        """After an update: may change params in place; returns the buffers for them."""
        ...

    def decays(self, name: str) -> bool:
        """Whether weight decay may act on a parameter."""
        ...

    def orthogonal(self, name: str) -> bool:
        """Whether a parameter is trained with lr_orth."""
        ...

    def penalty(self, params: Params) -> tuple[float, Params]:
        """A term added to the loss, and its gradients."""
        ...
