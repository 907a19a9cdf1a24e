"""The adding problem: where the markers stand, what the sum is, and what a constant answer costs."""

from __future__ import annotations

import numpy as np
import pytest

from npr.errors import ConfigError
from npr.losses import mse
from npr.tasks.adding import Adding
from npr.tasks.base import Batch

POSITIONS = ["halves", "scornn", "uniform"]


def first(task: Adding, size: int = 5, seed: int = 0) -> Batch:
    """The first training batch."""
    return task.open().train_stream(size, seed, np.float64).next()


def marked(batch: Batch) -> np.ndarray:
    """The two steps of every sequence (B, 2), the earlier one first."""
    return np.array([np.flatnonzero(markers) for markers in batch.x[:, :, 1].T])


def test_a_batch_by_hand() -> None:
    numbers = np.array([[0.5, 0.1], [0.25, 0.2], [0.125, 0.3]])
    batch = Adding(seq_len=3).show((numbers, np.array([[0, 1], [2, 2]])), np.float64)
    assert batch.x[:, 0].tolist() == [[0.5, 1], [0.25, 0], [0.125, 1]]
    assert batch.x[:, 1].tolist() == [[0.1, 0], [0.2, 1], [0.3, 1]]
    assert batch.target.tolist() == [[0.625], [0.5]]


def test_the_shape_of_the_task() -> None:
    task = Adding(seq_len=7)
    assert (task.input_size, task.output_size, task.seq_len) == (2, 1, 7)
    assert (task.readout, task.loss, task.metric, task.higher_is_better) == ("last", "mse", "loss", False)
    batch = first(task)
    assert (batch.x.shape, batch.target.shape) == ((7, 5, 2), (5, 1))
    assert batch.x.flags.c_contiguous
    assert batch.lengths is None


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("length", [3, 8, 101])
def test_the_target_is_the_sum_of_two_marked_numbers(positions: str, length: int) -> None:
    batch = first(Adding(seq_len=length, positions=positions), 500)
    assert set(np.unique(batch.x[:, :, 1])) == {0, 1}
    assert (batch.x[:, :, 1].sum(axis=0) == 2).all()
    np.testing.assert_allclose((batch.x[:, :, 0] * batch.x[:, :, 1]).sum(axis=0), batch.target[:, 0], rtol=1e-15)
    assert 0 <= batch.x[:, :, 0].min() < batch.x[:, :, 0].max() < 1


@pytest.mark.parametrize(
    ("positions", "length", "early", "late"),
    [
        ("halves", 6, [0, 1, 2], [3, 4, 5]),
        ("halves", 7, [0, 1, 2], [3, 4, 5, 6]),
        ("halves", 2, [0], [1]),
        ("scornn", 6, [0, 1], [2, 3, 4, 5]),
        ("scornn", 7, [0, 1, 2], [3, 4, 5, 6]),
        ("uniform", 4, [0, 1, 2], [1, 2, 3]),
    ],
)
def test_where_the_markers_stand(positions: str, length: int, early: list[int], late: list[int]) -> None:
    steps = marked(first(Adding(seq_len=length, positions=positions), 2000))
    assert np.unique(steps[:, 0]).tolist() == early
    assert np.unique(steps[:, 1]).tolist() == late


@pytest.mark.parametrize(("positions", "length"), [("halves", 6), ("scornn", 6), ("uniform", 5)])
def test_markers_are_uniform(positions: str, length: int) -> None:
    steps = marked(first(Adding(seq_len=length, positions=positions), 40_000))
    pairs, counts = np.unique(steps, axis=0, return_counts=True)
    np.testing.assert_allclose(counts / len(steps), 1 / len(pairs), atol=0.01)


@pytest.mark.parametrize("positions", POSITIONS)
def test_the_baseline_is_the_loss_of_the_best_constant(positions: str) -> None:
    task = Adding(seq_len=3, positions=positions)
    target = first(task, 200_000).target
    losses = {constant: mse(np.full_like(target, constant), target)[0] for constant in (0.9, 1.0, 1.1)}
    assert task.baseline is not None
    assert losses[1.0] == pytest.approx(task.baseline.loss, rel=0.01)
    assert min(losses, key=lambda constant: losses[constant]) == 1.0
    assert task.baseline.loss == pytest.approx(0.1667, abs=5e-5)


@pytest.mark.parametrize(
    "option",
    [
        {"seq_len": 1},
        {"seq_len": 2, "positions": "scornn"},
        {"positions": "thirds"},
        {"validation_size": -1},
        {"data_seed": -1},
    ],
)
def test_options_that_make_no_task_are_refused(option: dict) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} = "):
        Adding(**option)
