"""What every parametrisation of a recurrent matrix offers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from npr.params import Array, Buffers, Params


class Parametrization(Protocol):
    """A differentiable map theta -> W for the recurrence h_t = f(z_t + h_{t-1} W), h a row vector.

    Computed once per update and shared by all time steps; `backward` runs once on the gradient that the time
    loop has summed up. theta may hold float32 or float64 arrays; the map works in float64, or in float32 where
    a parametrisation has `precision="float32"`.

    Source: arXiv 1909.09501 for the idea of a base point that moves while theta stays small.
    """

    @property
    def size(self) -> int:
        """n, the number of units."""
        ...

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """theta, and what is stored beside it but not trained; both in float64."""
        ...

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, Any]:
        """W (n, n), in a new array, and a NamedTuple for `backward`.

        Raises DivergedError if the map has no value because theta is not finite.
        """
        ...

    def backward(self, cache: Any, dW: Array) -> Params:
        """dL/dtheta, with the keys and shapes of theta in the working precision, from dL/dW (n, n).

        All entries of `dW` are taken as free; `dW` is not changed. `penalty` is not included.
        """
        ...

    def settle(self, theta: Params, buffers: Buffers) -> Buffers:
        """To be called after every update of theta: may change theta in place, returns the new buffers; W stays."""
        ...

    def orthogonal(self, name: str) -> bool:
        """Whether theta[name] is trained with the second learning rate, lr_orth."""
        ...

    def decays(self, name: str) -> bool:
        """Whether weight decay may act on theta[name]."""
        ...

    def penalty(self, theta: Params) -> tuple[float, Params]:
        """A value to add to the loss, and its gradient for the entries of theta that it depends on."""
        ...


class Plain:
    """Answers of a parametrisation with nothing beside its map: no buffers that move, no penalty."""

    def settle(self, theta: Params, buffers: Buffers) -> Buffers:
        """The buffers as they are."""
        return buffers

    def penalty(self, theta: Params) -> tuple[float, Params]:
        """Nothing."""
        return 0.0, {}
