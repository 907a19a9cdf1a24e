"""Measuring a state on a split, and estimating batch norm's statistics anew; neither touches training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from npr.params import Array, Buffers
from npr.tasks.base import Batch
from npr.training import guard
from npr.training.parts import Parts, Weights, bit_hits, counted, hits, left_by, on_device, start_of
from npr.training.seeds import Purpose, stream_seed
from npr.training.window import figures

Stop = Callable[[], object]
Figures = dict[str, float]


class Stopped(Exception):
    """A measurement was asked to stop."""


class _Sums(NamedTuple):
    loss: float = 0.0
    entries: int = 0
    right: int = 0
    scored: int = 0
    right_bits: int = 0
    scored_bits: int = 0


def never() -> bool:
    """Do not stop."""
    return False


def score(parts: Parts, weights: Weights, split: str, norm: str, stop: Stop = never) -> Figures:
    """Loss and accuracy over every example of a split, dropout off.

    Each target counts the same, however the examples fall into batches.

    Parameters
    ----------
    parts : Parts
        The run.
    weights : Weights
        What to measure.
    split : {"train", "validation", "test"}
        Examples; an empty split gives an empty result.
    norm : {"running", "batch", "both"}
        Statistics of batch norm: the stored ones, or those of each batch of the training's size.
    stop : callable
        Asked before each batch.

    Returns
    -------
    dict
        "loss", "bpc" for a text, "accuracy" (0..1) where there are classes or bits, "bit_accuracy" of single bits;
        with "both" the same of the batches' statistics, as "batch_loss" and so on.

    Raises
    ------
    DivergedError
        If the loss is not finite.
    Stopped
        If `stop` said so.
    """
    if not parts.dataset.sizes.get(split):
        return {}
    first, *second = ("running", "batch") if norm == "both" else (norm,)
    found = _measure(parts, weights, split, first, stop)
    for other in second:
        found |= {f"{other}_{key}": value for key, value in _measure(parts, weights, split, other, stop).items()}
    return found


def reestimated(parts: Parts, weights: Weights, step: int, stop: Stop = never) -> Buffers:
    """Statistics of batch norm averaged over `reestimate` training batches, without dropout.

    The batches are drawn by (seed, step) alone, so they neither depend on nor move the training data stream.

    Parameters
    ----------
    parts : Parts
        The run; with reestimate = 0 the statistics come back as they are.
    weights : Weights
        Parameters and statistics after `step` updates; they are left alone.
    step : int
        Updates done.
    stop : callable
        Asked before each batch.

    Returns
    -------
    dict of Array
        New statistics.

    Raises
    ------
    Stopped
        If `stop` said so.
    """
    train, buffers = parts.train, weights.copy().buffers
    if not train.reestimate or not buffers:
        return buffers
    seed = stream_seed(train.seed, Purpose.REESTIMATION, step)
    stream = parts.dataset.train_stream(train.batch_size, seed, np.dtype(train.dtype).type)
    carried = None
    for count in range(1, train.reestimate + 1):
        _check(stop)
        batch = on_device(parts.backend, stream.next())
        context = parts.context(norm="batch", norm_weight=1 / count)
        start = start_of(batch, carried)
        forward = parts.model.forward(context, weights.params, buffers, batch.x, start, batch.lengths)
        buffers, carried = forward.buffers, left_by(batch, forward.state)
    return buffers


def _measure(parts: Parts, weights: Weights, split: str, norm: str, stop: Stop) -> Figures:
    """Figures of one pass over a split."""
    train, sums = parts.train, _Sums()
    # Only here, because it brings the linear algebra of all models with it.
    from npr.networks.explicit import explicit

    # The weights stand still: W_rec is made once for all batches.
    model, params, buffers = explicit(parts.model, weights.params, weights.buffers)
    context = parts.context(norm=norm, norm_weight=0.0)
    batches: Iterable[Batch] = parts.dataset.batches(split, train.batch_size, np.dtype(train.dtype).type)
    carried = None
    for batch in batches:
        _check(stop)
        batch = on_device(parts.backend, batch)
        start = start_of(batch, carried)
        forward = model.forward(context, params, buffers, batch.x, start, batch.lengths)
        carried = left_by(batch, forward.state)
        sums = _add(parts, sums, batch, forward.output)
    loss = sums.loss / max(sums.entries, 1)
    guard.check_score(split, loss)
    return figures(loss, (sums.right, sums.scored), parts.bits, (sums.right_bits, sums.scored_bits))


def _add(parts: Parts, sums: _Sums, batch: Batch, output: Array) -> _Sums:
    weight = counted(batch, output)
    loss, _ = parts.loss(output, batch.target, weight)
    entries = batch.target.size if weight is None else int(weight.sum())
    right, scored = hits(batch, output, weight)
    right_bits, scored_bits = bit_hits(batch, output, weight)
    return _Sums(
        sums.loss + loss * entries,
        sums.entries + entries,
        sums.right + right,
        sums.scored + scored,
        sums.right_bits + right_bits,
        sums.scored_bits + scored_bits,
    )


def _check(stop: Stop) -> None:
    if stop():
        raise Stopped
