"""The pool of large arrays: what is free is used again, what nobody asks for goes back to the system."""

from __future__ import annotations

import weakref

import numpy as np

from npr.backends.cpu import _PATIENCE, Pool

FLOAT = np.dtype(np.float32)


def _lend(pool: Pool, *shape: int) -> weakref.ref:
    """One array of a lease that is dropped at once."""
    return weakref.ref(pool.lease().take(shape, FLOAT))


def test_a_free_array_is_used_again() -> None:
    pool = Pool()
    first = _lend(pool, 3, 4)
    assert first() is not None
    assert pool.lease().take((3, 4), FLOAT) is first()


def test_an_array_is_lent_to_one_lease_only() -> None:
    pool = Pool()
    one, other = pool.lease(), pool.lease()
    assert one.take((3, 4), FLOAT) is not other.take((3, 4), FLOAT)


def test_shapes_and_types_are_kept_apart() -> None:
    pool = Pool()
    lent = _lend(pool, 3, 4)()
    lease = pool.lease()
    assert lease.take((4, 3), FLOAT) is not lent
    assert lease.take((3, 4), np.dtype(np.float64)).dtype == np.float64


def test_an_array_that_is_asked_for_stays() -> None:
    pool = Pool()
    lent = _lend(pool, 3, 4)
    for size in range(3 * _PATIENCE):
        assert pool.lease().take((3, 4), FLOAT) is lent()
        _lend(pool, size + 5)


def test_arrays_of_many_lengths_do_not_pile_up() -> None:
    pool = Pool()
    lent = [_lend(pool, size + 1) for size in range(4 * _PATIENCE)]
    alive = [size for size, array in enumerate(lent) if array() is not None]
    assert len(alive) <= _PATIENCE + 1
    assert alive[-1] == len(lent) - 1


def test_a_lease_that_outlives_the_patience_keeps_its_arrays() -> None:
    pool = Pool()
    lease = pool.lease()
    array = lease.take((3, 4), FLOAT)
    array[:] = 7.0
    for size in range(2 * _PATIENCE):
        _lend(pool, size + 5)
    assert pool.lease().take((3, 4), FLOAT) is not array
    del lease
    assert (array == 7.0).all()
