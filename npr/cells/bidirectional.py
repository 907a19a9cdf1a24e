"""Two cells over one sequence, one of them from its end: a cell again, with the outputs side by side.

Source: Schuster and Paliwal 1997.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npr.cells import gradients
from npr.cells.base import Cell
from npr.cells.gradients import Given
from npr.context import GradSignal, Pass, Signal
from npr.params import Array, Buffers, Params, prefixed, scope
from npr.slices import Slicing

AHEAD, BACK = "forward.", "backward."


class BidirectionalCache(NamedTuple):
    """Caches of both directions and their outputs (S, T+1, R, 2N) side by side."""

    ahead: Any
    back: Any
    h: Array


@dataclass(frozen=True)
class BidirectionalCell:
    """Outputs [h_t ahead | h_t back], where the second cell has read x_T, x_{T-1}, ..., x_t.

    Parameters have the names of the cell after "forward." and "backward."; the state is that of both, side by side.

    Parameters
    ----------
    ahead, back : Cell
        One for each direction.
    input_size, units : int
        Features of x and outputs of one direction.
    aligned : bool
        Whether row t of the second half belongs to step t; otherwise it belongs to the t-th step that was read, so
        that the last row holds the final output of both directions: what a readout of the last step should see.
    """

    ahead: Cell
    back: Cell
    input_size: int
    units: int
    aligned: bool

    @property
    def hidden_size(self) -> int:
        """Units of both."""
        return 2 * self.units

    @property
    def state_size(self) -> int:
        """That of both."""
        return self.ahead.state_size + self.back.state_size

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """Initial parameters and buffers of both."""
        params, buffers = self.ahead.init(rng)
        more, kept = self.back.init(rng)
        return prefixed(AHEAD, params) | prefixed(BACK, more), prefixed(AHEAD, buffers) | prefixed(BACK, kept)

    def decays(self, name: str) -> bool:
        """As the cell says."""
        return self.ahead.decays(name.partition(".")[2])

    def orthogonal(self, name: str) -> bool:
        """As the cell says."""
        return self.ahead.orthogonal(name.partition(".")[2])

    def penalty(self, params: Params) -> tuple[float, Params]:
        """Those of both."""
        value, slopes = self.ahead.penalty(scope(params, AHEAD))
        other, more = self.back.penalty(scope(params, BACK))
        return value + other, prefixed(AHEAD, slopes) | prefixed(BACK, more)

    def settle(self, params: Params, buffers: Buffers) -> Buffers:
        """Both."""
        first = self.ahead.settle(scope(params, AHEAD), scope(buffers, AHEAD))
        second = self.back.settle(scope(params, BACK), scope(buffers, BACK))
        return prefixed(AHEAD, first) | prefixed(BACK, second)

    def states(self, cache: BidirectionalCache) -> Array:
        """Final states of both, (S, 1, R, state_size)."""
        parts = self.ahead.states(cache.ahead), self.back.states(cache.back)
        return np.concatenate([part[:, -1:] for part in parts], axis=3)

    def forward(self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array) -> BidirectionalCache:
        """States of all steps in both directions."""
        size = self.ahead.state_size
        turned = x._replace(raw=_reversed(run, x.raw[..., : x.channels], run.buffer(x.channels)))
        ahead = self.ahead.forward(run.within(AHEAD), scope(params, AHEAD), scope(buffers, AHEAD), x, h0[..., :size])
        back = self.back.forward(run.within(BACK), scope(params, BACK), scope(buffers, BACK), turned, h0[..., size:])
        h = run.buffer(2 * self.units)
        h[..., : self.units] = ahead.h[..., : self.units]
        outputs = back.h[..., : self.units]
        if self.aligned:
            _reversed(run, outputs, h[..., self.units :])
        else:
            h[..., self.units :] = outputs
        return BidirectionalCache(ahead, back, h)

    def backward(
        self, run: Pass, cache: BidirectionalCache, dy: GradSignal, mask: Array, carry: Array, gx: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of both; see `npr.cells.base.Cell`. gx may be the array of dy."""
        n, size = self.units, self.ahead.state_size
        halves = (mask, mask) if not mask.shape[0] else (mask[..., :n].copy(), mask[..., n:].copy())
        carries = carry[..., :size].copy(), carry[..., size:].copy()
        # The first cell may write dL/dx over the gradient that the second one still needs.
        late, first = run.buffer(n), dy.first
        if self.aligned:
            dy.raw[:, 1 : first + 1, :, n : 2 * n] = 0
            _reversed(run, dy.raw[..., n : 2 * n], late)
            first = 0
        else:
            late[...] = dy.raw[..., n : 2 * n]
        given = Given(dy, halves[0], carries[0], gx)
        grads, signal = gradients.backward(self.ahead, run.within(AHEAD), cache.ahead, given)
        turned = None if gx is None else run.buffer(self.input_size)
        given = Given(GradSignal(late, 0, first), halves[1], carries[1], turned)
        more, other = gradients.backward(self.back, run.within(BACK), cache.back, given)
        if gx is not None and turned is not None:
            gx[:, 1:, :, : self.input_size] += _reversed(run, turned, run.buffer(self.input_size))[:, 1:]
        carry[..., :size], carry[..., size:] = carries
        sums = [
            None if one is None or two is None else one + two
            for one, two in ((signal.sum_dy, other.sum_dy), (signal.sum_dyh, other.sum_dyh))
        ]
        return prefixed(AHEAD, grads) | prefixed(BACK, more), GradSignal(signal.raw, 0, 0, *sums)

    def widened(self, run: Pass, cache: BidirectionalCache) -> None:
        """Its cells keep their own gradients."""
        return None

    def keep_gradients(self, run: Pass, cache: Any, delta: Array, drive: Array, carry: Array) -> None:
        """Nothing of its own."""


def _reversed(run: Pass, x: Array, out: Array) -> Array:
    """x (S, T+1, R, C) with the steps of every sequence in reverse order, in `out`; steps after its end stay."""
    cut: Slicing = run.slicing
    out[:, 0] = 0
    if cut.lengths.min() == cut.times:
        out[:, 1:] = x[:, :0:-1]
        return out
    steps = run.xp.arange(cut.times)[None, :, None]
    ends = cut.lengths[:, None, :]
    order = np.where(steps < ends, ends - 1 - steps, steps)
    out[:, 1:] = np.take_along_axis(x[:, 1:], order[..., None], axis=1)
    return out
