"""Gradient clipping, the norm it uses, and the search for a tensor that is not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle_optimizers import draw

from npr.clipping import global_norm
from npr.optimizers import SGD, Adam
from npr.params import allocate, flat_of, pack


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        pytest.param({}, [3.0, -4.0, 12.0], id="off"),
        pytest.param({"clip_norm": 14.0}, [3.0, -4.0, 12.0], id="norm-not-reached"),
        pytest.param({"clip_norm": 6.5}, [1.5, -2.0, 6.0], id="norm"),
        pytest.param({"clip_value": 4.0}, [3.0, -4.0, 4.0], id="value"),
        pytest.param({"clip_value": 4.0, "clip_norm": math.sqrt(41) / 2}, [1.5, -2.0, 2.0], id="both"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping(options, wanted, dtype):
    grads = pack({"a": np.array([3.0, -4.0], dtype), "b": np.array([[12.0]], dtype)})
    assert SGD(**options).clip(grads) == 13.0
    np.testing.assert_allclose(flat_of(grads), wanted, rtol=1e-6)


def test_norm_clipping_adds_the_small_constant_of_torch():
    grads = pack({"a": np.array([9.95e-5])})
    SGD(clip_norm=1e-4).clip(grads)
    assert grads["a"][0] == pytest.approx(9.95e-5 * 1e-4 / (9.95e-5 + 1e-6), rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_clipping_leaves_a_nonfinite_gradient_to_be_found(bad):
    grads = draw(0, np.float32)
    grads["readout.W"][2, 1] = bad
    before = flat_of(grads).copy()
    assert not math.isfinite(Adam(clip_norm=1.0, clip_value=1.0).clip(grads))
    np.testing.assert_array_equal(flat_of(grads), before)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 100_003])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm_is_accumulated_in_double(size, dtype):
    flat, named = allocate({"a": (size,), "b": (2,)}, dtype)
    flat[:] = np.random.default_rng(size).normal(size=size + 2)
    flat[-1] = 3e4  # next to it a float32 sum would lose the rest
    assert global_norm(named) == pytest.approx(math.sqrt(math.fsum(float(x) ** 2 for x in flat)), rel=1e-14)
