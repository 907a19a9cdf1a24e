"""NaN and infinity: noticed in the update that makes them, named by array and position."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from npr.context import Forward, State
from npr.errors import DivergedError
from npr.optimizers import OptState
from npr.params import Array, Buffers, Params, flat_of
from npr.tasks.base import Batch

Named = tuple[str, Array]


def check_loss(step: int, loss: float, batch: Batch, params: Params, forward: Forward) -> None:
    """Raise DivergedError unless loss and output of update `step` are finite; names what broke first."""
    # An output of minus infinity leaves the cross-entropy of another class finite.
    if math.isfinite(loss) and np.isfinite(forward.output).all():
        return
    suspects: list[Named] = [("input x", batch.x), *_labelled("parameter", params)]
    suspects += [(f"final state {i}", value) for i, value in enumerate(forward.state)]
    raise _diverged(step, [*suspects, ("output", forward.output), ("loss", np.array(loss))])


def check_gradients(step: int, norm: float, grads: Params) -> None:
    """Raise DivergedError unless the global gradient norm is finite."""
    if not math.isfinite(norm):
        raise _diverged(step, [*_labelled("gradient of", grads), ("gradient norm", np.array(norm))])


def check_parameters(step: int, params: Params, state: OptState) -> None:
    """Raise DivergedError if update `step` left a parameter that is not finite."""
    flat = flat_of(params)
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without a temporary array; it can overflow for large numbers, so it only acquits.
        if math.isfinite(np.dot(flat, flat)) or np.isfinite(flat).all():
            return
    raise _diverged(step, [*_labelled("moment", state.moments), *_labelled("parameter", params)])


def check_state(step: int, params: Params, buffers: Buffers, state: OptState, carried: State = ()) -> None:
    """Raise DivergedError unless everything that a checkpoint would hold is finite."""
    suspects = [
        *_labelled("parameter", params),
        *_labelled("buffer", buffers),
        *_labelled("moment", state.moments),
        *((f"carried state {i}", value) for i, value in enumerate(carried)),
    ]
    if not all(np.isfinite(value).all() for _, value in suspects):
        raise _diverged(step, suspects)


def check_score(split: str, loss: float) -> None:
    """Raise DivergedError unless the loss over a split is finite."""
    if not math.isfinite(loss):
        raise DivergedError(f"Training diverged: the {split} loss is {loss}, though all parameters are finite.")


def _labelled(label: str, arrays: Mapping[str, Array]) -> Iterator[Named]:
    return ((f"{label} '{name}'", value) for name, value in arrays.items())


def _diverged(step: int, suspects: list[Named]) -> DivergedError:
    """Error that names the first entry which is not finite."""
    for name, value in suspects:
        bad = np.argwhere(~np.isfinite(value))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            where = f" at {list(at)} ({len(bad)} of {value.size} entries)" if at else ""
            return DivergedError(f"Training diverged in update {step}: {name} is {float(value[at])}{where}.")
    return DivergedError(f"Training diverged in update {step}.")
