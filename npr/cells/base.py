"""What a network of recurrent layers asks of its cells."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from npr.context import GradSignal, Pass, Signal
from npr.params import Array, Buffers, Params


class Cell(Protocol):
    """One recurrent layer: a frozen dataclass of sizes and choices that holds no array.

    Its cache has two fields for the network: h (S, T+1, R, >= units), whose first columns are the output, row 0 of time
    being the initial one; and kept, series (T, B, N) by name that the context asked for.
    """

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
