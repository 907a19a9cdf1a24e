"""Whether a batch fits into a device's memory, found out with small ones before a run begins."""

from __future__ import annotations

from contextlib import suppress

from npr.errors import BackendError, DivergedError
from npr.tasks.base import Batch
from npr.training.parts import Parts, on_device
from npr.training.state import fresh
from npr.training.update import train_on


def check_memory(parts: Parts) -> None:
    """Refuse a batch size that the device has no memory for.

    One update with an eighth of a batch and one with a quarter are made, of a state that is thrown away: the memory of
    an update grows in proportion to its sequences. Nothing is done on the CPU.

    Raises
    ------
    BackendError
        If the whole batch would not fit; the message names one that does.
    """
    room, size = parts.backend.room(), parts.train.batch_size
    if room is None or size < 4:
        return
    few = max(1, size // 8)
    one, two = (_bytes(parts, count) for count in (few, 2 * few))
    each = max(1.0, (two - one) / few)
    needed = one + each * (size - few)
    if needed <= room:
        return
    fits = int(few + (room - one) / each)
    advice = f"A batch size of {fits} fits: --batch-size {fits}." if fits > 0 else "Not even one sequence fits."
    raise BackendError(
        f"A batch of {size} sequences needs about {needed / 1e9:.1f} GB of the device's memory, and "
        f"{room / 1e9:.1f} GB are free. {advice} With --bptt-checkpoint states are computed again instead of kept."
    )


def _bytes(parts: Parts, count: int) -> int:
    """Memory of a state and of one update with so many sequences."""

    def once() -> None:
        state = fresh(parts)
        batch = _first(state.stream.next(), count)
        # Few sequences may diverge where all of them would not.
        with suppress(DivergedError):
            train_on(parts, state, on_device(parts.backend, batch))

    return parts.backend.taken(once)


def _first(batch: Batch, count: int) -> Batch:
    """The first sequences of a batch."""
    steps = batch.x.shape[:2]
    every = batch.target.ndim > 1 and batch.target.shape[:2] == steps
    return batch._replace(
        x=batch.x[:, :count],
        target=batch.target[:, :count] if every else batch.target[:count],
        lengths=None if batch.lengths is None else batch.lengths[:count],
        mask=None if batch.mask is None else batch.mask[:, :count],
    )
