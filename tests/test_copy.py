"""The copying memory task: both variants written out, what is recalled, counted and guessed."""

from __future__ import annotations

import numpy as np
import pytest

from npr.errors import ConfigError
from npr.losses import cross_entropy
from npr.tasks.base import Batch
from npr.tasks.copy import Copy
from npr.training.parts import hits

VARIANTS = ["nnrnn", "exprnn"]
SYMBOLS = np.array([[2, 1], [3, 3]])


def first(task: Copy, size: int = 5, seed: int = 0) -> Batch:
    """The first training batch."""
    return task.open().train_stream(size, seed).next()


@pytest.mark.parametrize(
    ("variant", "shown"),
    [("nnrnn", [2, 3, 0, 0, 4, 0, 0]), ("exprnn", [2, 3, 0, 0, 0, 4, 0])],
)
def test_a_sequence_by_hand(variant: str, shown: list[int]) -> None:
    task = Copy(variant=variant, delay=3, labels=3, copy_length=2, one_hot=False)
    batch = task.show((SYMBOLS, np.array([3, 3])), np.float64)
    assert batch.x[:, 0, 0].tolist() == shown
    assert batch.x[:, 1, 0].tolist() == [1, 3, *shown[2:]]
    assert batch.target.T.tolist() == [[0, 0, 0, 0, 0, 2, 3], [0, 0, 0, 0, 0, 1, 3]]
    assert batch.target[batch.scored].tolist() == SYMBOLS.tolist()
    assert task.seq_len == 7


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_hot_vectors_stand_for_the_numbers(variant: str) -> None:
    options = {"variant": variant, "delay": 4, "labels": 5}
    number, vector = first(Copy(one_hot=False, **options)), first(Copy(**options))
    assert vector.x.sum(axis=2).tolist() == np.ones((24, 5)).tolist()
    np.testing.assert_array_equal(vector.x.argmax(axis=2), number.x[:, :, 0])
    np.testing.assert_array_equal(vector.target, number.target)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_shape_of_the_task(variant: str) -> None:
    task = Copy(variant=variant, delay=6, labels=4, copy_length=3)
    assert (task.input_size, task.output_size, task.seq_len) == (6, 5, 12)
    assert (task.readout, task.loss, task.metric, task.higher_is_better) == ("every", "cross-entropy", "loss", False)
    assert Copy(one_hot=False).input_size == 1
    batch = first(task)
    assert (batch.x.shape, batch.target.shape, batch.target.dtype) == ((12, 5, 6), (12, 5), np.int64)
    assert batch.x.flags.c_contiguous
    assert batch.lengths is None


def test_targets_repeat_the_first_symbols_which_are_uniform() -> None:
    batch = first(Copy(delay=5), 4000)
    shown = batch.x.argmax(axis=2)
    np.testing.assert_array_equal(batch.target[15:], shown[:10])
    assert not batch.target[:15].any()
    shares = np.bincount(shown[:10].ravel(), minlength=10) / shown[:10].size
    np.testing.assert_allclose(shares, [0, *[1 / 8] * 8, 0], atol=0.01)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("delay", "copy_length", "labels"), [(200, 10, 8), (30, 4, 3), (1, 1, 1)])
def test_the_baseline_is_the_loss_of_blanks_and_guesses(
    variant: str, delay: int, copy_length: int, labels: int
) -> None:
    task = Copy(variant=variant, delay=delay, copy_length=copy_length, labels=labels)
    batch = first(task, 50)
    scores = np.full((*batch.target.shape, labels + 1), -1e3)
    scores[: delay + copy_length, :, 0] = 0
    scores[delay + copy_length :, :, 1:] = 0
    assert task.baseline is not None
    assert cross_entropy(scores, batch.target)[0] == pytest.approx(task.baseline.loss, abs=1e-9)


@pytest.mark.parametrize(
    ("delay", "loss"),
    [(100, 0.1733), (200, 0.09452), (300, 0.06498), (500, 0.03999), (1000, 0.02039), (2000, 0.01029)],
)
def test_published_baselines(delay: int, loss: float) -> None:
    baseline = Copy(delay=delay).baseline
    assert baseline is not None
    assert baseline.loss == pytest.approx(loss, rel=5e-4)


def test_accuracy_is_that_of_the_recall() -> None:
    batch = first(Copy(delay=5, copy_length=2), 10)
    silent = np.zeros((*batch.target.shape, 9))
    silent[..., 0] = 1
    assert hits(batch, silent, None) == (0, 20)
    assert hits(batch, np.eye(9)[batch.target], None) == (20, 20)
    assert hits(batch, np.eye(9)[np.where(batch.target, batch.target, 3)], None) == (20, 20)


def test_delays_vary_between_batches_below_the_longest() -> None:
    stream = Copy(delay=6, copy_length=2, vary=True).open().train_stream(3, 0)
    batches = [stream.next() for _ in range(300)]
    assert {len(batch.x) - 4 for batch in batches} == {1, 2, 3, 4, 5}
    for batch in batches:
        np.testing.assert_array_equal(batch.target[-2:], batch.x[:2].argmax(axis=2))
        assert batch.target[batch.scored].shape == (2, 3)
        assert (batch.x[-3] == np.eye(10)[9]).all()


def test_where_delays_vary_the_longest_is_measured() -> None:
    task = Copy(delay=6, vary=True)
    fixed, plain = (next(each.open().batches("test", 4)) for each in (task, Copy(delay=6)))
    np.testing.assert_array_equal(fixed.x, plain.x)
    assert (task.seq_len, task.baseline) == (26, None)


@pytest.mark.parametrize(
    "option",
    [
        {"variant": "urnn"},
        {"delay": 0},
        {"delay": 2.5},
        {"labels": 9},
        {"labels": 0},
        {"copy_length": 0},
        {"delay": 1, "vary": True},
        {"test_size": -1},
        {"data_seed": -1},
    ],
)
def test_options_that_make_no_task_are_refused(option: dict) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} = "):
        Copy(**option)
