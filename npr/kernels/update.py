"""One pass over the flat parameter buffer for each optimiser step, and the sum that clipping needs.

Parameters with their own rate or decay are contiguous segments: segment s covers [bounds[s], bounds[s + 1])
and has the row table[s] = (rate, coupled decay, decoupled decay). `c` holds the other coefficients. All of
them come in the dtype of the parameters: a float64 literal would widen the float32 arithmetic.

The kernels are sequential on purpose. They are bound by memory, and one thread walks ten million parameters
in a few milliseconds; so the result cannot depend on the number of threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from npr.arrays import namespace
from npr.kernels.cuda_target import cuda, cuda_kernel
from npr.kernels.jit import inline, kernel

Array = np.ndarray

# Independent partial sums of a norm. Adding row upon row of this length is a loop that LLVM vectorises
# without reordering any sum, so the bits do not depend on the vector width of the host.
LANES = 512


@inline
def _sgd(p, g, v, row, momentum):
    rate, coupled, decoupled = row
    if v.size == 0:
        for i in range(p.size):
            p[i] -= rate * (g[i] + coupled * p[i]) + decoupled * p[i]
        return
    for i in range(p.size):
        v[i] = momentum * v[i] + (g[i] + coupled * p[i])
        p[i] -= rate * v[i] + decoupled * p[i]


@kernel
def sgd(p: Array, g: Array, v: Array, bounds: Array, table: Array, c: Array) -> None:
    """v = c0 v + g; p -= rate v. An empty `v` means no momentum."""
    for s in range(table.shape[0]):
        part = slice(bounds[s], bounds[s + 1])
        _sgd(p[part], g[part], v[part], (table[s, 0], table[s, 1], table[s, 2]), c[0])


@inline
def _rmsprop(p, g, sq, v, row, c):
    rate, coupled, decoupled = row
    alpha, rest, inside, outside, momentum, into, onto = c[0], c[1], c[2], c[3], c[4], c[5], c[6]
    # The TF1 form scales each step before summing, the torch form the sum: they differ once the rate moves.
    before, after = into * rate + onto, into + onto * rate
    if v.size == 0:
        for i in range(p.size):
            slope = g[i] + coupled * p[i]
            sq[i] = alpha * sq[i] + rest * (slope * slope)
            p[i] -= rate * (slope / (math.sqrt(sq[i] + inside) + outside)) + decoupled * p[i]
        return
    for i in range(p.size):
        slope = g[i] + coupled * p[i]
        sq[i] = alpha * sq[i] + rest * (slope * slope)
        v[i] = momentum * v[i] + before * (slope / (math.sqrt(sq[i] + inside) + outside))
        p[i] -= after * v[i] + decoupled * p[i]


@kernel
def rmsprop(p: Array, g: Array, sq: Array, v: Array, bounds: Array, table: Array, c: Array) -> None:
    """sq = c0 sq + c1 g^2; v = c4 v + g / (sqrt(sq + c2) + c3); p -= rate v.

    (c5, c6) is (0, 1), or (1, 0) to put the rate into v. An empty `v` means no momentum.
    """
    for s in range(table.shape[0]):
        part = slice(bounds[s], bounds[s + 1])
        _rmsprop(p[part], g[part], sq[part], v[part], (table[s, 0], table[s, 1], table[s, 2]), c)


@inline
def _adam(p, g, m, v, row, c):
    rate, coupled, decoupled = row
    beta1, rest1, beta2, rest2, correction, eps = c[0], c[1], c[2], c[3], c[4], c[5]
    for i in range(p.size):
        slope = g[i] + coupled * p[i]
        m[i] = beta1 * m[i] + rest1 * slope
        v[i] = beta2 * v[i] + rest2 * (slope * slope)
        p[i] -= rate * (m[i] / (correction * math.sqrt(v[i]) + eps)) + decoupled * p[i]


@kernel
def adam(p: Array, g: Array, m: Array, v: Array, bounds: Array, table: Array, c: Array) -> None:
    """m = c0 m + c1 g; v = c2 v + c3 g^2; p -= rate m / (c4 sqrt(v) + c5)."""
    for s in range(table.shape[0]):
        part = slice(bounds[s], bounds[s + 1])
        _adam(p[part], g[part], m[part], v[part], (table[s, 0], table[s, 1], table[s, 2]), c)


@kernel
def sum_of_squares(g: Array) -> float:
    """Sum of g^2 in float64, g of shape (P,), in an order that depends on P alone."""
    lanes = np.zeros(LANES)
    for start in range(0, g.size, LANES):
        row = g[start : start + LANES]
        for k in range(row.size):
            x = np.float64(row[k])
            lanes[k] += x * x
    total = 0.0
    for k in range(LANES):
        total += lanes[k]
    return total


@cuda_kernel
def sgd_each(p, g, v, rate, coupled, decoupled, c):
    """`sgd` of one segment, a thread for each parameter."""
    i = cuda.grid(1)
    if i < p.size:
        _sgd(p[i : i + 1], g[i : i + 1], v[i : i + 1], (rate, coupled, decoupled), c[0])


@cuda_kernel
def rmsprop_each(p, g, sq, v, rate, coupled, decoupled, c):
    """`rmsprop` of one segment, a thread for each parameter."""
    i = cuda.grid(1)
    if i < p.size:
        _rmsprop(p[i : i + 1], g[i : i + 1], sq[i : i + 1], v[i : i + 1], (rate, coupled, decoupled), c)


@cuda_kernel
def adam_each(p, g, m, v, rate, coupled, decoupled, c):
    """`adam` of one segment, a thread for each parameter."""
    i = cuda.grid(1)
    if i < p.size:
        _adam(p[i : i + 1], g[i : i + 1], m[i : i + 1], v[i : i + 1], (rate, coupled, decoupled), c)


class Host:
    """The kernels of the processor by name."""

    sgd, rmsprop, adam, sum_of_squares = (staticmethod(f) for f in (sgd, rmsprop, adam, sum_of_squares))


def _on_device(kernel, flat, bounds, table, c):
    """Launch a kernel for every segment of flat arrays; bounds, table and c lie on the host."""
    c = namespace(flat[0]).asarray(c)
    for s in range(table.shape[0]):
        part = slice(int(bounds[s]), int(bounds[s + 1]))
        kernel.each(part.stop - part.start, flat[0].dtype)(*(array[part] for array in flat), *table[s], c)


def _velocity(p, v):
    """v, or zeros where there is no momentum: not every compiler clips a slice of an empty array."""
    return v if v.size else namespace(p).zeros(p.shape, p.dtype)


class Device:
    """The same on a CUDA device."""

    @staticmethod
    def sgd(p, g, v, bounds, table, c):
        """`sgd`."""
        _on_device(sgd_each, (p, g, _velocity(p, v)), bounds, table, c)

    @staticmethod
    def rmsprop(p, g, sq, v, bounds, table, c):
        """`rmsprop`."""
        _on_device(rmsprop_each, (p, g, sq, _velocity(p, v)), bounds, table, c)

    @staticmethod
    def adam(p, g, m, v, bounds, table, c):
        """`adam`."""
        _on_device(adam_each, (p, g, m, v), bounds, table, c)

    @staticmethod
    def sum_of_squares(g):
        """`sum_of_squares`, by the library of the device."""
        return float(namespace(g).square(g.astype(np.float64)).sum())


def kernels_for(flat: Array) -> Any:
    """The kernels that work where an array lies."""
    return Host if namespace(flat) is np else Device
