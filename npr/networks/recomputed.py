"""BPTT that keeps the states at some steps only and computes those between again, stretch by stretch.

The forward pass keeps the states in front of each stretch of K steps; the backward pass goes through the stretches from
the last to the first, each forward once more and then back. Memory for states is O(T / K + K) in place of O(T), time
one forward pass more. K is rounded up to whole time tiles of the kernels: then every sum meets its terms in the same
order, and outputs and gradients are the same to the last bit.

Source: arXiv 1604.06174 (sublinear memory), 1606.03401 (BPTT).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.context import Forward, Pass
from npr.params import Array, Buffers, Params
from npr.stretches import Stretches


class Given(NamedTuple):
    """Input (T, B, F) or symbols (T, B), states (S, R, n) before the first step, and whether they are the network's."""

    x: Array
    starts: list[Array]
    own_start: bool


class RecomputedCache(NamedTuple):
    """What the backward pass starts from."""

    run: Pass
    given: Given
    buffers: Buffers
    borders: list[int]
    states: list[list[Array]]  # in front of every stretch
    last: tuple[Array, Array] | None
    stretches: Stretches
    kept: dict[str, Array]


def forward(network: Any, run: Pass, params: Params, buffers: Buffers, given: Given) -> Forward:
    """As `Network.forward`, in stretches of run.context.bptt_checkpoint steps."""
    whole, stretches = run.slicing, Stretches()
    steps = whole.whole_tiles(run.context.bptt_checkpoint)
    borders = [*range(0, whole.times, steps), whole.times]
    states = [given.starts]
    last: tuple[Array, Array] | None = None
    every: Array | None = None
    for begin, end in pairwise(borders):
        part = _part(run, begin, end, stretches)
        output, done, cache = network.through(part, params, buffers, given.x[begin:end], states[-1])
        states.append([h[:, -1].copy() for h in done.states])
        if cache.last is not None:
            last = _taken(part.slicing.ending, last, cache.last)
        else:
            every = run.xp.empty((whole.times, *output.shape[1:]), output.dtype) if every is None else every
            every[begin:end] = output
        # Their arrays go back to the pool before the next stretch asks for some.
        del part, output, done, cache
    final = tuple(whole.join_rows(h) for h in states.pop())
    output = every if last is None else network.read_last(params, last[1])
    assert output is not None
    return Forward(output, final, buffers, RecomputedCache(run, given, buffers, borders, states, last, stretches, {}))


def backward(
    network: Any, params: Params, cache: RecomputedCache, d_output: Array, carries: list, input_gradient: bool
) -> tuple[Params, Array | None]:
    """As `Network.back_through`, for all stretches."""
    run, x = cache.run, cache.given.x
    dx: Array | None = None
    named: Params = {}
    cache.stretches.restart()
    for number, start in reversed(list(enumerate(cache.states))):
        begin, end = cache.borders[number : number + 2]
        cache.stretches.begin(at_first=number == 0)
        part = _part(run, begin, end, cache.stretches)
        inner = network.through(part, params, cache.buffers, x[begin:end], start)[2]
        inner = inner._replace(own_start=cache.given.own_start)
        d_part = d_output if cache.last is not None else d_output[begin:end]
        named, d_input = network.back_through(part, params, inner, d_part, carries, input_gradient)
        if d_input is not None:
            dx = np.empty_like(x) if dx is None else dx
            dx[begin:end] = d_input
        del part, inner
    return named, dx


def _part(run: Pass, begin: int, end: int, stretches: Stretches) -> Pass:
    """The pass over one stretch, with large arrays of its own."""
    lease = run.context.backend.pool.lease()
    return run._replace(slicing=run.slicing.stretch(begin, end), lease=lease, stretches=stretches)


def _taken(ending: Array, so_far: tuple[Array, Array] | None, new: tuple[Array, Array]) -> tuple[Array, Array]:
    """The rows (B, channels) of sequences that end in this stretch, beside those of earlier ones."""
    if so_far is None:
        return new
    chosen = namespace(new[0]).asarray(ending)
    for old, value in zip(so_far, new, strict=True):
        old[chosen] = value[chosen]
    return so_far
