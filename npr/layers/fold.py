"""Folding of batch norm and dropout into the linear map that reads them.

With value = m * (s * h + c) per channel (s scale, c shift, m a mask per sequence, shared over time):

    value W + b = (m * h) (s W) + [b + (m * c) W]

so the product reads the raw h, and everything else is a smaller matrix and a bias per sequence. Backwards, with
delta the gradient of the product's result, M = sum_t (m * h)^T delta and R = sum_t delta (per sequence):

    dW = s M + (m * c)^T R,   db = sum R
    sum m * dL/dvalue = sum m * (R W^T),   sum m * dL/dvalue * h = rowsum(M * W)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.context import Signal

Array = np.ndarray


class Unfolded(NamedTuple):
    """Gradients of a folded map, and the two sums that the batch norm before it asks for."""

    W: Array
    bias: Array
    sum_dy: Array
    sum_dyh: Array


def fold(signal: Signal, W: Array, bias: Array | None, rows: tuple[int, int]) -> tuple[Array, Array]:
    """W (K, N) with the scale folded in, and the bias (S, R, N) of every sequence; rows = (S, R)."""
    start = namespace(W).zeros(W.shape[1], W.dtype) if bias is None else bias
    if signal.scale is None or signal.shift is None:
        return W, _spread(start, rows)
    folded = signal.scale[:, None] * W
    if signal.mask is None:
        return folded, _spread(start + signal.shift @ W, rows)
    shift = (signal.mask * signal.shift).reshape(-1, W.shape[0])
    return folded, (start + shift @ W).reshape(*rows, W.shape[1])


def unfold(signal: Signal, W: Array, m: Array, row_sums: Array) -> Unfolded:
    """Gradients from m (S, K, N), one M for every slice, and row_sums (S, R, N)."""
    product = m.sum(0)
    per_row = row_sums.reshape(-1, W.shape[1])
    total = per_row.sum(0)
    d_rows = per_row @ W.T
    if signal.mask is not None:
        d_rows = d_rows * signal.mask.reshape(d_rows.shape)
    dW = product
    if signal.scale is not None and signal.shift is not None:
        dW = signal.scale[:, None] * product
        if signal.mask is None:
            dW += signal.shift[:, None] * total
        else:
            dW += (signal.mask * signal.shift).reshape(-1, W.shape[0]).T @ per_row
    sum_dy = d_rows.sum(0, dtype=np.float64)
    sum_dyh = (product * W).sum(1, dtype=np.float64)
    return Unfolded(dW, total, sum_dy, sum_dyh)


def _spread(bias: Array, rows: tuple[int, int]) -> Array:
    return np.tile(bias, (*rows, 1))


def value_of(signal: Signal) -> Array:
    """Values (S, T, R, channels) of all steps, with scale, shift and mask applied: a pass over the data."""
    value = signal.raw[:, 1:, :, : signal.channels]
    if signal.scale is not None:
        value = value * signal.scale + signal.shift
    return value if signal.mask is None else value * signal.mask[:, None]


def gate(signal: Signal) -> Array:
    """The signal's mask as the kernels take it: empty where there is none."""
    return namespace(signal.raw).empty((0, 0, 0), signal.raw.dtype) if signal.mask is None else signal.mask
