"""One step of a slice (R, N) as a line of R N units: what several recurrences do with it.

A loop for each row would cost more than the work in it: see `dense.activate_step`.
"""

from __future__ import annotations

from npr.kernels.jit import inline
from npr.kernels.pointwise import sigmoid, tanh


@inline
def squash_gate(a, bias):
    """In place a <- sigmoid(a + bias) for one step of a gate, both (R, N)."""
    size = a.shape[0] * a.shape[1]
    a, bias = a.reshape(size), bias.reshape(size)
    for j in range(size):
        a[j] = sigmoid(a[j] + bias[j])


@inline
def squash_candidate(a, bias):
    """In place a <- tanh(a + bias) for one step, both (R, N)."""
    size = a.shape[0] * a.shape[1]
    a, bias = a.reshape(size), bias.reshape(size)
    for j in range(size):
        a[j] = tanh(a[j] + bias[j])


@inline
def add_line(target, values):
    """target += values, both (R, N)."""
    size = target.shape[0] * target.shape[1]
    target, values = target.reshape(size), values.reshape(size)
    for j in range(size):
        target[j] += values[j]


@inline
def add_upstream(carry, g, mask):
    """carry (R, N) += mask * g, mask (R, N) or empty; the rows of g (R, N) may be strided."""
    for i in range(carry.shape[0]):
        if mask.shape[0]:
            for j in range(carry.shape[1]):
                carry[i, j] += mask[i, j] * g[i, j]
        else:
            for j in range(carry.shape[1]):
                carry[i, j] += g[i, j]


@inline
def copy_ended(source, target, length, t):
    """Copy the rows (R, N) of sequences that have ended before step t, counted from 0."""
    for i in range(length.shape[0]):
        if t >= length[i]:
            for j in range(source.shape[1]):
                target[i, j] = source[i, j]


@inline
def clear_ended(delta, length, t):
    """Zero the rows of sequences that have ended."""
    for i in range(length.shape[0]):
        if t >= length[i]:
            for j in range(delta.shape[1]):
                delta[i, j] = 0


@inline
def scale_line(target, factor):
    """target *= factor, both (R, N)."""
    size = target.shape[0] * target.shape[1]
    target, factor = target.reshape(size), factor.reshape(size)
    for j in range(size):
        target[j] *= factor[j]
