"""Synthetic digits: pen strokes, bent, slanted and blurred, for machines without MNIST."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npr.data import glyphs

SIDE = 28
TRAIN_COUNT = 15_000
TEST_COUNT = 2_500
_CHUNK = 1_000
_BOX = 19.0

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]


class Digits(NamedTuple):
    """Images (N, 784) uint8, ink 255 on 0, rows of 28 pixels one after the other; labels (N,) uint8."""

    images: Bytes
    labels: Bytes


def draw(count: int, seed: int) -> Digits:
    """Draw `count` digits, each class as often as any other, the same for the same seed.

    Parameters
    ----------
    count : int
        Number of images.
    seed : int
        Of the random generator.

    Returns
    -------
    Digits
    """
    rng = np.random.default_rng([seed, count])
    labels = rng.permutation(np.arange(count) % 10)
    images = np.empty((count, SIDE * SIDE), np.uint8)
    for start in range(0, count, _CHUNK):
        part = labels[start : start + _CHUNK]
        images[start : start + len(part)] = _ink(_place(_bend(_write(part, rng), rng), rng), rng)
    return Digits(images, labels.astype(np.uint8))


def draw_train() -> Digits:
    """The training images: as many as leave 10,000 after the usual split of 5,000."""
    return draw(TRAIN_COUNT, seed=1)


def draw_test() -> Digits:
    """The test images, drawn by the same rules from another seed."""
    return draw(TEST_COUNT, seed=2)


def _write(labels: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Pen points of every label in a random handwriting, in the unit square; (N, P, 2)."""
    points = np.empty((len(labels), glyphs.POINTS, 2))
    for digit, hands in enumerate(glyphs.DIGITS):
        members = np.flatnonzero(labels == digit)
        traced = np.stack([glyphs.trace(hand) for hand in hands])
        points[members] = traced[rng.integers(len(hands), size=len(members))]
    return points


def _bend(points: Floats, rng: np.random.Generator) -> Floats:
    """Displace by slow waves across the square, so that no two strokes run the same way; (N, P, 2)."""
    bent = points.copy()
    for axis in (0, 1):
        size = rng.normal(0.0, 0.035, (len(points), 1))
        phase = rng.uniform(0.0, 2.0 * np.pi, (len(points), 1))
        waves = rng.normal(1.0, 0.2, (len(points), 1))
        bent[:, :, axis] += size * np.sin(2.0 * np.pi * waves * points[:, :, 1 - axis] + phase)
    return bent


def _place(points: Floats, rng: np.random.Generator) -> Floats:
    """Rotate, slant, stretch and shift into pixel coordinates; (N, P, 2)."""
    count = len(points)
    angle = rng.normal(0.0, 0.12, count)
    slant = rng.normal(0.12, 0.18, count)
    stretch = rng.uniform(0.8, 1.05, (2, count)) * _BOX
    x, y = points[:, :, 0] - 0.5, points[:, :, 1] - 0.5
    x = stretch[0][:, None] * (x - slant[:, None] * y)
    y = stretch[1][:, None] * y
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)
    shift = rng.normal(0.0, 0.8, (count, 1, 2))
    return np.clip(turned + SIDE / 2 - 0.5 + shift, 0.0, SIDE - 1.001)


def _ink(points: Floats, rng: np.random.Generator) -> Bytes:
    """Drop the points onto the pixel grid, widen the line by blurring, and saturate; (N, 784)."""
    count, pixels = len(points), SIDE * SIDE
    corner = points.astype(np.int64)
    part = points - corner
    base = np.arange(count)[:, None] * pixels + corner[:, :, 1] * SIDE + corner[:, :, 0]
    canvas = np.zeros(count * pixels)
    for dy in (0, 1):
        for dx in (0, 1):
            weight = np.abs(1 - dx - part[:, :, 0]) * np.abs(1 - dy - part[:, :, 1])
            canvas += np.bincount((base + dy * SIDE + dx).ravel(), weight.ravel(), count * pixels)
    steps = np.hypot(*np.moveaxis(np.diff(points, axis=1), -1, 0))
    # Points lie closer on a short trace: per pixel of line the ink must not depend on that.
    ink = _blur(canvas.reshape(count, SIDE, SIDE)) * np.median(steps, axis=1)[:, None, None]
    pressure = rng.uniform(2.4, 5.0, count)[:, None, None]
    return np.rint(255.0 * np.clip(pressure * ink - 0.1, 0.0, 1.0)).astype(np.uint8).reshape(count, pixels)


def _blur(canvas: Floats) -> Floats:
    """Binomial blur over three pixels in both directions; (N, 28, 28)."""
    blurred = canvas
    for axis in (1, 2):
        wide = np.pad(blurred, [(1, 1) if d == axis else (0, 0) for d in range(3)])
        near = [np.take(wide, range(start, start + SIDE), axis) for start in (0, 1, 2)]
        blurred = 0.25 * near[0] + 0.5 * near[1] + 0.25 * near[2]
    return blurred
