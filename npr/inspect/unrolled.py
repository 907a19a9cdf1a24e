"""A network taken through time one step at a time, with the states in between at hand."""

from __future__ import annotations

import numpy as np

from npr.context import Backward, State
from npr.errors import ConfigError
from npr.inspect.subject import Subject
from npr.params import Array, Buffers


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
    states : list of tuple of Array
        T + 1 entries (B, n) per layer, the first before the first step; None there if the network has its own start.
    outputs : list of Array
        The output (B, K) after each step.

    Raises
    ------
    ConfigError
        If the network reads in both directions: its steps depend on later ones.
    """

    def __init__(self, subject: Subject) -> None:
        if getattr(subject.model, "bidirectional", False):
            raise ConfigError("A network of two directions has no steps that follow one another: nothing to unroll.")
        self.subject = subject.written_out()
        self.states: list[State | None] = [subject.state]
        self.outputs: list[Array] = []
        for t in range(subject.steps):
            before = self.states[-1]
            out, state = self._forward(t, self.subject.x[t : t + 1], before)
            going_on = (t < subject.ends)[:, None]
            if before is not None:
                state = tuple(np.where(going_on, new, old) for new, old in zip(state, before, strict=True))
            self.states.append(state)
            self.outputs.append(out)

    def back(self, t: int, x: Array, before: State | None, d_output: Array | None, d_state: State) -> Backward:
        """Gradients of step t (from 0) alone for x (1, B, D) and the states before it; any B.

        d_output (B, K) may be None for zero, d_state holds dL/dstate after the step.
        """
        s = self.subject
        ctx, buffers = s.context(), self._buffers(t)
        out = s.model.forward(ctx, s.params, buffers, x, before)
        d = np.zeros_like(out.output)
        if d_output is not None:
            d[...] = d_output
        return s.model.backward(ctx, s.params, out.cache, d, d_state, input_gradient=False)

    def _forward(self, t: int, x: Array, before: State | None) -> tuple[Array, State]:
        s = self.subject
        out = s.model.forward(s.context(), s.params, self._buffers(t), x, before)
        return out.output.reshape(x.shape[1], -1), out.state

    def _buffers(self, t: int) -> Buffers:
        """The statistics that step t uses, where batch norm has a row for each."""
        return {
            name: value[min(t, len(value) - 1) :][:1] if value.ndim == 2 and name.endswith(("mean", "var")) else value
            for name, value in self.subject.buffers.items()
        }
