"""What is looked at: a network with its weights, and a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from npr.context import Context, Model, State
from npr.networks.explicit import explicit
from npr.params import Array, Buffers, Params

Loss = Callable[[Array], tuple[float, Array]]


class Subject(NamedTuple):
    """A network and a batch, without dropout.

    Attributes
    ----------
    model : Model
        Any registered network.
    params, buffers : dict of Array
        Its weights.
    x : Array (T, B, D), or (T, B) of int
        The input.
    loss : callable
        Of the output: its value and dL/doutput.
    backend : Backend
        From `npr.backends.get_backend`.
    state : tuple of Array, optional
        Initial state of every recurrent layer.
    lengths : Array (B,) of int, optional
        Steps of every sequence.
    norm : {"batch", "running"}
        Statistics that batch norm uses.
    """

    model: Model
    params: Params
    buffers: Buffers
    x: Array
    loss: Loss
    backend: Any
    state: State | None = None
    lengths: Array | None = None
    norm: str = "running"

    def context(self, *keep: str) -> Context:
        """Context of a pass that keeps some series."""
        return Context(self.backend, norm=self.norm, norm_weight=0.0, keep=frozenset(keep))

    @property
    def steps(self) -> int:
        """T."""
        return self.x.shape[0]

    @property
    def ends(self) -> Array:
        """Steps (B,) of every sequence."""
        return np.full(self.x.shape[1], self.steps) if self.lengths is None else np.asarray(self.lengths)

    def written_out(self) -> Subject:
        """The same with W_rec as a parameter of its own, recurrent.W, and the stored statistics of batch norm, so
        that single steps can stand alone."""
        model, params, buffers = explicit(self.model, self.params, self.buffers)
        return self._replace(model=model, params=params, buffers=buffers, norm="running")

    def only(self, sequence: int) -> Subject:
        """One sequence of the batch, without what follows its end; its loss is not defined."""
        steps = int(self.ends[sequence])
        part = slice(sequence, sequence + 1)
        state = None if self.state is None else tuple(h[part] for h in self.state)
        return self._replace(x=self.x[:steps, part], state=state, lengths=None, loss=_undefined)


def _undefined(output: Array) -> tuple[float, Array]:
    raise ValueError("the loss of a batch is not defined for one of its sequences")
