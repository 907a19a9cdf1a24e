"""Losses with their gradients: loss(output, target, weight) -> (value, dL/doutput).

The value is a mean, accumulated in float64; the gradient has the dtype of the output. `weight`, where given,
has the shape of the output without its last axis and says which positions count (1) and which do not (0).
"""

from __future__ import annotations

import numpy as np

from npr.arrays import namespace
from npr.params import Array
from npr.registry import losses


@losses.register("cross-entropy")
def cross_entropy(output: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Mean of -log softmax(output)[target], in nats.

    dL/doutput = (softmax(output) - onehot(target)) / n for n positions that count.

    Parameters
    ----------
    output : Array (..., K), float
        Scores of K classes.
    target : Array (...), int
        Class of each position, 0..K-1.
    weight : Array (...), optional
        1 for positions that count.

    Returns
    -------
    float, Array (..., K)
        The loss, 0 if nothing counts, and its gradient.

    Raises
    ------
    ValueError
        If shapes do not fit or a target is not one of the K classes.
    """
    _check_classes(output, target)
    share = _share(output, weight, target.shape).ravel()
    # A row for each class: NumPy reduces a short last axis, as classes are, many times slower than the first one.
    shifted = output.reshape(-1, output.shape[-1]).T.copy()
    wanted = np.multiply(target.ravel(), target.size, dtype=np.int64) + namespace(target).arange(target.size)
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged output must reach the guard as a NaN
        shifted -= shifted.max(axis=0)
        right = shifted.take(wanted).astype(np.float64)
        gradient = np.exp(shifted, out=shifted)
        total = gradient.sum(axis=0, dtype=np.float64)
        value = float(((np.log(total) - right) * share).sum())
        gradient *= (share / total).astype(output.dtype)
    entries = gradient.reshape(-1)
    entries[wanted] = (entries[wanted] - share).astype(output.dtype)
    return value, gradient.T.copy().reshape(output.shape)


@losses.register("mse")
def mse(output: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Mean of e^2 with e = output - target; dL/doutput = 2 e / n.

    Parameters
    ----------
    output : Array (..., K), float
        Predictions.
    target : Array (..., K) or (...)
        Wanted values, where bits may be bool; or integer classes, which stand for their one-hot vectors.
    weight : Array (...), optional
        1 for positions that count, with all K entries.

    Returns
    -------
    float, Array (..., K)
        The loss, 0 if nothing counts, and its gradient.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    error, share = _error(output, target, weight)
    value = float((np.square(error, dtype=np.float64) * share).sum())
    return value, (2 * share * error).astype(output.dtype, copy=False)


@losses.register("smooth-l1")
def smooth_l1(output: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """Mean of e^2 / 2 where |e| < 1, else |e| - 1/2, e = output - target; dL/doutput = clip(e, -1, 1) / n.

    Parameters, results and errors are those of `mse`.

    Source: torch.nn.SmoothL1Loss with beta 1; the loss of ResRNN.
    """
    error, share = _error(output, target, weight)
    clipped = np.clip(error, -1, 1)
    # e c - c^2 / 2 is both branches at once.
    value = float((clipped * (error.astype(np.float64) - 0.5 * clipped) * share).sum())
    return value, (share * clipped).astype(output.dtype, copy=False)


def accuracy(output: Array, target: Array, weight: Array | None = None) -> int:
    """Number of positions that count whose largest output (..., K) is that of the class in target (...)."""
    _check_classes(output, target)
    right = output.argmax(axis=-1) == target
    return int(np.count_nonzero(right if weight is None else right & (weight != 0)))


def right_bits(output: Array, target: Array, weight: Array | None = None) -> Array:
    """How many of the K bits of each position are right.

    Parameters
    ----------
    output : Array (..., K), float
        Above 1/2 for a bit that is set.
    target : Array (..., K), bool
        The bits.
    weight : Array (...), optional
        1 for positions that count; the others have none right.

    Returns
    -------
    Array (...), int

    Raises
    ------
    ValueError
        If the target has another shape or type.
    """
    if target.shape != output.shape or target.dtype != bool:
        raise ValueError(f"target is {target.dtype} {target.shape}, wanted bool {output.shape}")
    right = np.count_nonzero((output > 0.5) == target, axis=-1)
    return right if weight is None else right * (weight != 0)


def _share(output: Array, weight: Array | None, shape: tuple[int, ...]) -> Array:
    """Part of each position in the mean, in float64, () if all are equal."""
    if weight is None:
        return namespace(output).asarray(1.0 / max(int(np.prod(shape)), 1))
    if weight.shape != shape:
        raise ValueError(f"weight has shape {weight.shape}, wanted {shape}")
    total = weight.sum(dtype=np.float64)
    return weight.astype(np.float64) / (total if total > 0 else 1.0)


def _check_classes(output: Array, target: Array) -> None:
    if target.shape != output.shape[:-1] or target.dtype.kind not in "iu":
        raise ValueError(f"target is {target.dtype} {target.shape}, wanted integers {output.shape[:-1]}")
    classes = output.shape[-1]
    if target.size and not 0 <= target.min() <= target.max() < classes:
        raise ValueError(f"target has classes {target.min()}..{target.max()}, wanted 0..{classes - 1}")


def _error(output: Array, target: Array, weight: Array | None) -> tuple[Array, Array]:
    """Output minus target in the dtype of the output, and the part of each entry in the mean."""
    if target.dtype.kind in "iu" and target.shape != output.shape:
        _check_classes(output, target)
        target = namespace(output).eye(output.shape[-1], dtype=output.dtype)[target]
    if target.shape != output.shape:
        raise ValueError(f"target has shape {target.shape}, wanted {output.shape}")
    share = _share(output, weight, output.shape[:-1]) / output.shape[-1]
    return (output - target).astype(output.dtype, copy=False), share[..., None] if share.ndim else share
