"""A network taken through time one step at a time, with the states in between at hand."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from npr.context import Backward, State
from npr.errors import ConfigError
from npr.inspect.subject import Subject
from npr.params import Array, Buffers


class Part(NamedTuple):
    """Some steps, for any batch of sequences.

    start : the first of them, from 0
    x : their input (steps, B, D), or symbols (steps, B)
    before : states (B, n) of all layers before them; None where the network has its own start
    lengths : (B,) how many of them every sequence has; None for all
    """

    start: int
    x: Array
    before: State | None
    lengths: Array | None = None


class Unrolled:
    """States of all layers after every step; batch norm uses its stored statistics.

    Parameters
    ----------
    subject : Subject
        The network and the batch.

    Attributes
    ----------
    subject : Subject
        The same with W_rec written out.
    output : Array
        Of the whole pass.

    Raises
    ------
    ConfigError
        If the network reads in both directions: its steps depend on later ones.
    """

    def __init__(self, subject: Subject) -> None:
        if getattr(subject.model, "bidirectional", False):
            raise ConfigError("A network of two directions has no steps that follow one another: nothing to unroll.")
        self.subject = s = subject.written_out()
        out = s.model.forward(s.context("h"), s.params, s.buffers, s.x, s.state, s.lengths)
        self.output = out.output
        self.sizes = [h.shape[1] for h in out.state]
        kept = out.cache.kept
        names = [[f"layers.{i}.{part}" for part in "hc"] for i in range(len(self.sizes))]
        self._after = [np.concatenate([kept[name] for name in own if name in kept], axis=2) for own in names]

    def before(self, t: int) -> State | None:
        """States (B, n) of all layers before step t (from 0); None where the network has its own start."""
        return tuple(h[t - 1] for h in self._after) if t else self.subject.state

    def only(self, sequence: int) -> Unrolled:
        """One sequence of the batch, without what follows its end."""
        one = copy.copy(self)
        one.subject = self.subject.only(sequence)
        one._after = [h[:, sequence : sequence + 1] for h in self._after]
        return one

    def back(self, part: Part, d_output: Array | None, d_state: State) -> Backward:
        """Gradients of some steps and of the states before them.

        d_output, of the shape of their output, may be None for zero; d_state holds dL/dstate after them.
        """
        s = self.subject
        ctx, buffers = s.context(), self._buffers(part.start, len(part.x))
        out = s.model.forward(ctx, s.params, buffers, part.x, part.before, part.lengths)
        d = np.zeros_like(out.output) if d_output is None else d_output
        return s.model.backward(ctx, s.params, out.cache, d, d_state, input_gradient=False)

    def _buffers(self, t: int, steps: int) -> Buffers:
        """The statistics that these steps use, where batch norm has a row for each."""
        return {
            name: value[np.minimum(np.arange(t, t + steps), len(value) - 1)]
            if value.ndim == 2 and name.endswith(("mean", "var"))
            else value
            for name, value in self.subject.buffers.items()
        }
