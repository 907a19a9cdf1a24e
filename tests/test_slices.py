"""Slice-major storage: nothing is lost on the way in and out, and the cut depends on the batch alone."""

from __future__ import annotations

import numpy as np
import pytest

from npr.backends import get_backend
from npr.context import Context, Pass
from npr.slices import cut

CTX = Context(get_backend("cpu"))


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 7, 10, 16, 17, 31, 32, 50, 100, 128, 129])
def test_split_and_join_are_inverse(batch: int) -> None:
    slicing = cut(6, batch)
    x = np.random.default_rng(0).standard_normal((6, batch, 3))
    np.testing.assert_array_equal(slicing.join(slicing.split(x)), x)
    np.testing.assert_array_equal(slicing.join_rows(slicing.split_rows(x[0])), x[0])
    assert slicing.entries == 6 * batch


@pytest.mark.parametrize("batch", range(1, 200))
def test_few_rows_are_idle(batch: int) -> None:
    slicing = cut(1, batch)
    idle = slicing.slices * slicing.rows - batch
    assert 0 <= idle < slicing.slices
    assert idle <= max(3, batch // 10)


@pytest.mark.parametrize("batch", [5, 32])
def test_last_reads_after_the_last_step_of_each_sequence(batch: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 8, batch)
    slicing = cut(7, batch, lengths)
    x = np.random.default_rng(1).standard_normal((7, batch, 2))
    wanted = x[lengths - 1, np.arange(batch)]
    np.testing.assert_array_equal(slicing.last(slicing.split(x)), wanted)


def test_put_last_writes_where_last_reads_and_zero_elsewhere_after_the_first() -> None:
    lengths = np.array([3, 5, 2])
    slicing = cut(6, 3, lengths)
    g = np.full((slicing.slices, 7, slicing.rows, 2), np.nan)
    value = np.arange(6.0).reshape(3, 2)
    first = slicing.put_last(g, value)
    assert first == 1
    np.testing.assert_array_equal(slicing.last(g), value)
    assert np.nansum(g[:, first + 1 :]) == value.sum()
    assert np.isfinite(g[:, first + 1 :]).all()


@pytest.mark.parametrize("lengths", [[0, 3], [1, 8], [1], [[1, 2]]])
def test_lengths_outside_the_batch_are_refused(lengths: list) -> None:
    with pytest.raises(ValueError, match="lengths"):
        cut(7, 2, np.array(lengths))


@pytest.mark.parametrize(("times", "batch"), [(0, 3), (4, 0)])
def test_an_empty_batch_is_refused(times: int, batch: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        cut(times, batch)


@pytest.mark.parametrize("batch", [1, 3, 17, 32])
@pytest.mark.parametrize("ragged", [False, True])
def test_kernels_cut_and_join_as_the_slicing_does_but_with_zeros_after_the_end(batch: int, ragged: bool) -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 7, batch) if ragged else None
    run = Pass(CTX, cut(6, batch, lengths), CTX.backend.pool.lease(), np.dtype(np.float32), {})
    x = rng.standard_normal((6, batch, 3)).astype(np.float32)
    ended = np.arange(6)[:, None] >= (np.full(batch, 6) if lengths is None else lengths)
    zeroed = np.where(ended[:, :, None], np.float32(0), x)
    x[ended] = np.nan
    found = run.split(x)
    np.testing.assert_array_equal(found, run.slicing.split(zeroed))
    found[:, 0] = np.nan
    np.testing.assert_array_equal(run.join(found), zeroed)
