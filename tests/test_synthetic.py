"""Synthetic digits: the same every time, one class as often as another, and worth learning."""

from __future__ import annotations

import numpy as np
import pytest

from npr.data import glyphs, synthetic

TRAIN = synthetic.draw(3_000, seed=3)
TEST = synthetic.draw(500, seed=4)


def test_images_are_bytes_of_mnists_shape() -> None:
    assert TRAIN.images.shape == (3_000, 784)
    assert TRAIN.images.dtype == TRAIN.labels.dtype == np.uint8
    assert TRAIN.images.min() == 0
    assert TRAIN.images.max() == 255


def test_the_same_seed_draws_the_same() -> None:
    again = synthetic.draw(500, seed=4)
    np.testing.assert_array_equal(again.images, TEST.images)
    np.testing.assert_array_equal(again.labels, TEST.labels)


def test_another_seed_draws_others() -> None:
    other = synthetic.draw(500, seed=5)
    assert not np.array_equal(other.images, TEST.images)


def test_classes_are_balanced() -> None:
    assert np.bincount(TRAIN.labels).tolist() == [300] * 10


def test_no_image_is_drawn_twice() -> None:
    assert len(np.unique(TRAIN.images, axis=0)) == len(TRAIN.images)


@pytest.mark.parametrize("digit", range(10))
def test_ink_is_about_that_of_handwriting(digit: int) -> None:
    share = (TRAIN.images[TRAIN.labels == digit] > 0).mean()
    assert 0.05 < share < 0.3


def test_ink_stays_inside_the_frame() -> None:
    edge = np.ones((28, 28), bool)
    edge[1:-1, 1:-1] = False
    assert (TRAIN.images[:, edge.ravel()] > 0).any(axis=1).mean() < 0.05


def test_a_linear_readout_learns_most_but_not_all() -> None:
    train, test = (np.c_[part.images / 255.0, np.ones(len(part.images))] for part in (TRAIN, TEST))
    target = np.eye(10)[TRAIN.labels]
    weights = np.linalg.solve(train.T @ train + 20.0 * np.eye(785), train.T @ target)
    correct = ((test @ weights).argmax(axis=1) == TEST.labels).mean()
    assert 0.75 < correct < 0.99


def test_traced_points_are_evenly_spaced() -> None:
    points = glyphs.trace(([(0.0, 0.0), (1.0, 0.0), (1.0, 0.5)], [(0.0, 1.0), (0.5, 1.0)]), 8)
    wanted = [(0.125, 0), (0.375, 0), (0.625, 0), (0.875, 0), (1, 0.125), (1, 0.375), (0.125, 1), (0.375, 1)]
    np.testing.assert_allclose(points, wanted, atol=1e-12)
