"""dL/da_t and dL/dh_t of every step, from the kernels that train.

A cell is given one more input channel for each of its pre-activations, zero at all steps, with the identity as its
weight: the gradient of this input is delta_t = dL/da_t, and nothing else changes. dL/dh_t is what arrives at h_t from
above and, along the recurrence, from delta_{t+1}.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npr.cells.base import Cell
from npr.context import GradSignal, Pass, Signal
from npr.params import Array, Params


class Given(NamedTuple):
    """What a cell's backward pass is given; see `npr.cells.base.Cell`."""

    dy: GradSignal
    mask: Array
    carry: Array
    gx: Array | None


def backward(cell: Cell, run: Pass, cache: Any, given: Given) -> tuple[Params, GradSignal]:
    """`cell.backward`, which also keeps delta and dh if the context asks for "gradients"."""
    wide = cell.widened(run, cache) if run.wants("gradients") else None
    if wide is None:
        return cell.backward(run, cache, *given)
    other, inputs = wide
    D = cell.input_size
    # The kernel may write over dy and carry.
    drive = arriving(run, given.dy, given.mask, cell.hidden_size)
    last = given.carry.copy()
    target = run.buffer(other.input_size)
    grads, signal = other.backward(run, inputs, *given._replace(gx=target))
    cell.keep_gradients(run, cache, target[..., D:], drive, last)
    return narrowed(grads, D), handed_down(signal, target, D, given.gx)


def widened(run: Pass, x: Signal, W_in: Array) -> tuple[Signal, Array]:
    """x with a channel of zeros for every column of W_in, and W_in with the identity below it."""
    D, n = W_in.shape
    raw = run.buffer(D + n)
    raw[..., :D], raw[..., D:] = x.raw[..., :D], 0
    scale = None if x.scale is None else np.concatenate([x.scale, run.xp.ones(n, run.dtype)])
    shift = None if x.shift is None else np.concatenate([x.shift, run.xp.zeros(n, run.dtype)])
    mask = x.mask
    if mask is not None:
        mask = np.concatenate([mask, run.xp.ones((*mask.shape[:2], n), run.dtype)], axis=2)
    return Signal(raw, D + n, scale, shift, mask), np.concatenate([W_in, run.xp.eye(n, dtype=run.dtype)])


def arriving(run: Pass, dy: GradSignal, mask: Array, units: int) -> Array:
    """mask * dL/dy of all steps in an array of its own (S, T+1, R, units), zero where nothing arrives."""
    g = run.xp.zeros((*dy.raw.shape[:3], units), run.dtype)
    g[:, dy.first + 1 :] = dy.raw[:, dy.first + 1 :, :, dy.column : dy.column + units]
    if mask.size:
        g *= mask[:, None]
    steps = run.xp.arange(run.slicing.times + 1)[:, None]
    return np.where((steps <= run.slicing.lengths[:, None])[..., None], g, 0)


def at_the_end(run: Pass, carry: Array) -> Array:
    """carry (S, R, N) at the last step of every sequence, (S, T+1, R, N), zero elsewhere."""
    steps = run.xp.arange(run.slicing.times + 1)[:, None]
    return np.where((steps == run.slicing.lengths[:, None])[..., None], carry[:, None], 0).astype(run.dtype)


def following(x: Array) -> Array:
    """Row t + 1 of x (S, T+1, R, N) in the place of row t, zero in the last."""
    moved = np.zeros_like(x)
    moved[:, :-1] = x[:, 1:]
    return moved


def narrowed(grads: Params, D: int) -> Params:
    """The gradients without those of the weights of the channels that were added to D."""
    return {name: value[:D] if name.endswith("W_in") else value for name, value in grads.items()}


def handed_down(signal: GradSignal, wide: Array, D: int, gx: Array | None, add: bool = False) -> GradSignal:
    """The gradient of the D channels that there are, written to gx (with add: added)."""
    sums = [None if part is None else part[:D] for part in (signal.sum_dy, signal.sum_dyh)]
    if gx is None:
        return GradSignal(wide[..., :D], 0, signal.first, *sums)
    below = gx[:, 1:, :, :D] + wide[:, 1:, :, :D] if add else wide[:, 1:, :, :D]
    gx[:, 1:, :, :D] = below
    return GradSignal(gx, 0, signal.first, *sums)
