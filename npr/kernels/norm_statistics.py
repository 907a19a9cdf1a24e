"""What batch normalisation makes of its sums, entry by entry, in double; equations in `npr/layers/norm.py`.

The formulas are functions of arrays and of numbers at once: on the CPU they get whole arrays, on a CUDA device each
thread has one entry, so that there they are one launch and not ten. Arrays are (N,), with one count for all, or (T, N)
with counts (T, 1).
"""

from __future__ import annotations

import numpy as np

from npr.arrays import namespace
from npr.kernels.cuda_target import cuda, cuda_kernel


def positive(x):
    """max(x, 0)."""
    return (x + abs(x)) / 2.0


def mean_and_variance(total, square, count):
    """Mean and biased variance from the sums of h and h^2."""
    mean = total / count
    return mean, positive(square / count - mean * mean)


def scale_and_shift(mean, variance, gamma, beta, eps):
    """1 / sqrt(var + eps), and scale and shift of y = scale * h + shift."""
    inverse = 1.0 / (variance + eps) ** 0.5
    scale = gamma * inverse
    return inverse, scale, beta - mean * scale


def unbiased(variance, count):
    """The variance as torch stores it, count / max(count - 1, 1) times the biased one."""
    return variance * count / (1.0 + positive(count - 2.0))


def moved(old, new, weight):
    """A running average."""
    return (1.0 - weight) * old + weight * new


def slope_parts(sum_dy, sum_dyh, mean, inverse, gamma, count):
    """dgamma, and gain, lean and offset of dL/dh = gain * dL/dy + lean * h + offset."""
    d_gamma = inverse * (sum_dyh - mean * sum_dy)
    gain = gamma * inverse
    lean = -gain * inverse * d_gamma / count
    return d_gamma, gain, lean, -gain * sum_dy / count - lean * mean


def statistics(total, count):
    """Mean and variance from total (2, ...), the sums of h and h^2."""
    return mean_and_variance(total[0], total[1], count)


def affine(mean, variance, gamma, beta, eps, dtype):
    """1 / sqrt(var + eps) in double; scale and shift in a dtype."""
    inverse, scale, shift = scale_and_shift(mean, variance, gamma.astype(np.float64), beta, eps)
    return inverse, scale.astype(dtype), shift.astype(dtype)


def average(old, mean, variance, count, weight):
    """New running mean and variance; of a table (steps, N) rows that fewer than two sequences reach stay."""
    found = []
    for before, new in zip(old, (mean, unbiased(variance, count)), strict=True):
        after = before.copy()
        rows = np.flatnonzero(count[: len(before), 0] >= 2) if before.ndim == 2 else slice(None)
        after[rows] = moved(before[rows], new[rows], weight)
        found.append(after)
    return tuple(found)


def slopes(sum_dy, sum_dyh, mean, inverse, gamma, count, dtype):
    """dgamma in double; gain, lean and offset in a dtype."""
    d_gamma, *parts = slope_parts(sum_dy, sum_dyh, mean, inverse, gamma.astype(np.float64), count)
    return d_gamma, *(part.astype(dtype) for part in parts)


@cuda_kernel
def statistics_each(total, counts, count, n, mean, variance):
    """`statistics` with a thread for each of M entries; counts (M / n,) or empty: `count` for all."""
    p = cuda.grid(1)
    if p < mean.size:
        entries = counts[p // n] if counts.shape[0] else count
        mean[p], variance[p] = mean_and_variance(total[0, p], total[1, p], entries)


@cuda_kernel
def affine_each(mean, variance, gamma, beta, eps, inverse, scale, shift):
    """`affine` with a thread for each entry; gamma and beta (n,)."""
    p = cuda.grid(1)
    if p < mean.size:
        j = p % gamma.shape[0]
        inverse[p], scale[p], shift[p] = scale_and_shift(mean[p], variance[p], gamma[j], beta[j], eps)


@cuda_kernel
def average_each(mean, variance, counts, count, n, weight, stored_mean, stored_variance):
    """`average` in place with a thread for each stored entry."""
    p = cuda.grid(1)
    if p < stored_mean.size and p < mean.size:
        entries = counts[p // n] if counts.shape[0] else count
        if counts.shape[0] == 0 or entries >= 2.0:
            stored_mean[p] = moved(stored_mean[p], mean[p], weight)
            stored_variance[p] = moved(stored_variance[p], unbiased(variance[p], entries), weight)


@cuda_kernel
def slopes_each(sum_dy, sum_dyh, mean, inverse, gamma, counts, count, d_gamma, gain, lean, offset):
    """`slopes` with a thread for each entry; gamma (n,)."""
    p = cuda.grid(1)
    if p < mean.size:
        n = gamma.shape[0]
        entries = counts[p // n] if counts.shape[0] else count
        parts = slope_parts(sum_dy[p], sum_dyh[p], mean[p], inverse[p], gamma[p % n], entries)
        d_gamma[p], gain[p], lean[p], offset[p] = parts


@cuda_kernel
def moments_each(parts, lengths, moments):
    """`gather_moments` with a thread for each unit, its sequences one after the other."""
    j = cuda.grid(1)
    rows, n = parts.shape[1:]
    if j < n:
        total, square = 0.0, 0.0
        for i in range(rows):
            centre, first, second = parts[0, i, j] + 0.0, parts[1, i, j] + 0.0, parts[2, i, j] + 0.0
            total += first + lengths[i] * centre
            square += second + 2.0 * centre * first + lengths[i] * centre * centre
        moments[0, j], moments[1, j] = total, square


def gather_moments(parts, lengths, moments):
    """moments (2, N), sums of h and h^2 in double, from the centre c and the sums of h - c and its square of every
    sequence, parts (3, R, N) on a device; see `npr.kernels.scan.add_moments`."""
    _each(moments_each, moments.shape[1])(parts, lengths, moments)


def _each(kernel, count):
    return kernel.each(count, np.float64)


def _entries(xp, count):
    """A count for all, or counts by row, as the kernels take them: both, of which one says nothing."""
    if np.ndim(count) == 0:
        return xp.empty(0, np.float64), float(count)
    return count.reshape(-1), 0.0


class Device:
    """The same on a CUDA device, in double whatever the kernels around it compute in."""

    @staticmethod
    def statistics(total, count):
        """`statistics`."""
        xp, shape = namespace(total), total.shape[1:]
        mean, variance = xp.empty(shape), xp.empty(shape)
        flat = total.reshape(2, -1), *_entries(xp, count), shape[-1], mean.reshape(-1), variance.reshape(-1)
        _each(statistics_each, mean.size)(*flat)
        return mean, variance

    @staticmethod
    def affine(mean, variance, gamma, beta, eps, dtype):
        """`affine`."""
        xp = namespace(mean)
        found = xp.empty(mean.shape), xp.empty(mean.shape, dtype), xp.empty(mean.shape, dtype)
        flat = (part.reshape(-1) for part in found)
        _each(affine_each, mean.size)(mean.reshape(-1), variance.reshape(-1), gamma, beta, eps, *flat)
        return found

    @staticmethod
    def average(old, mean, variance, count, weight):
        """`average`."""
        found = tuple(part.copy() for part in old)
        given = mean.reshape(-1), variance.reshape(-1), *_entries(namespace(mean), count), mean.shape[-1], weight
        _each(average_each, found[0].size)(*given, *(part.reshape(-1) for part in found))
        return found

    @staticmethod
    def slopes(sum_dy, sum_dyh, mean, inverse, gamma, count, dtype):
        """`slopes`."""
        xp, shape = namespace(mean), mean.shape
        found = xp.empty(shape), xp.empty(shape, dtype), xp.empty(shape, dtype), xp.empty(shape, dtype)
        given = (part.reshape(-1) for part in (sum_dy, sum_dyh, mean, inverse))
        _each(slopes_each, mean.size)(*given, gamma, *_entries(xp, count), *(part.reshape(-1) for part in found))
        return found
