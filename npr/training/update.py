"""One update: batch, forward, loss, backward, clipping, optimiser, projection, guards."""

from __future__ import annotations

from npr.tasks.base import Batch
from npr.training import guard
from npr.training.parts import Parts, bit_hits, counted, hits, left_by, on_device, start_of
from npr.training.state import TrainingState
from npr.training.window import Update


def update(parts: Parts, state: TrainingState) -> Update:
    """Make one update with the next batch; see `train_on`."""
    return train_on(parts, state, on_device(parts.backend, state.stream.next()))


def train_on(parts: Parts, state: TrainingState, batch: Batch) -> Update:
    """Make one update with a batch that lies where the kernels run, in place, and count it.

    Raises
    ------
    DivergedError
        If the loss, a gradient or a parameter is not finite; the state is then not fit to be saved.
    """
    model, step = parts.model, state.step + 1
    context = parts.context(norm="batch", dropout=True, rng=state.rng)
    start = start_of(batch, state.carried)
    forward = model.forward(context, state.params, state.buffers, batch.x, start, batch.lengths)
    weight = counted(batch, forward.output)
    loss, d_output = parts.loss(forward.output, batch.target, weight)
    guard.check_loss(step, loss, batch, state.params, forward)
    grads = model.backward(context, state.params, forward.cache, d_output, input_gradient=False).params
    penalty, slopes = model.penalty(state.params)
    for name, slope in slopes.items():
        grads[name] += slope
    norm = parts.optimizer.clip(grads)
    guard.check_gradients(step, norm, grads)
    factor = parts.schedule.factor(state.step, state.horizon) * state.schedule.factor
    state.optimizer = parts.optimizer.update(
        state.params, grads, state.optimizer, factor, model.decays, model.orthogonal
    )
    buffers = model.project(state.params, forward.buffers)
    guard.check_parameters(step, state.params, state.optimizer)
    state.buffers, state.step, state.carried = buffers, step, left_by(batch, forward.state)
    right, entries = hits(batch, forward.output, weight)
    bits = bit_hits(batch, forward.output, weight)
    return Update(loss, right, entries, norm, parts.optimizer.lr * factor, penalty, *bits)
