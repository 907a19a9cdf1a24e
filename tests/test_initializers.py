"""Initialisers: bounds, moments and names of the table in the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest

from npr import initializers
from npr.errors import ConfigError
from npr.initializers import recurrent, u_bound, weight

FAN_IN, FAN_OUT = 300, 200

# Half-width of the uniform ones: sqrt(6 / (65 fan_in)), ...
UNIFORM = {
    "kaiming-uniform-8": math.sqrt(6 / (65 * FAN_IN)),
    "kaiming-uniform": math.sqrt(6 / FAN_IN),
    "glorot-uniform": math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "uniform-0.001": 0.001,
    "uniform-0.01": 0.01,
    "uniform-0.08": 0.08,
    "uniform-0.1": 0.1,
    "fan-in": 1 / math.sqrt(FAN_IN),
    "fan-out": 1 / math.sqrt(FAN_OUT),
}
# Standard deviation of the normal ones; "normal-half" is (sqrt(2) / 2) / sqrt(fan_in).
NORMAL = {
    "kaiming-normal": math.sqrt(2 / FAN_IN),
    "glorot-normal": math.sqrt(2 / (FAN_IN + FAN_OUT)),
    "normal-0.001": 0.001,
    "normal-half": math.sqrt(2) / 2 / math.sqrt(FAN_IN),
}


def draw(name: str) -> np.ndarray:
    return weight(name, np.random.default_rng(0), (FAN_IN, FAN_OUT))


def test_every_name_is_tested():
    assert set(initializers.WEIGHTS) == set(UNIFORM) | set(NORMAL)


@pytest.mark.parametrize("name", [*UNIFORM, *NORMAL])
def test_weights_are_a_float64_matrix_that_depends_on_the_generator(name):
    assert draw(name).shape == (FAN_IN, FAN_OUT)
    assert draw(name).dtype == np.float64
    np.testing.assert_array_equal(draw(name), draw(name))
    assert not np.array_equal(draw(name), weight(name, np.random.default_rng(1), (FAN_IN, FAN_OUT)))


@pytest.mark.parametrize(("name", "bound"), UNIFORM.items())
def test_uniform_weights_fill_their_interval(name, bound):
    values = draw(name) / bound
    assert 0.9999 < values.max() <= 1
    assert -1 <= values.min() < -0.9999
    # 60,000 draws: the mean is known to 0.0024, the square to 0.0012 (one sigma each).
    assert abs(values.mean()) < 0.01
    assert (values**2).mean() == pytest.approx(1 / 3, abs=0.005)


@pytest.mark.parametrize(("name", "std"), NORMAL.items())
def test_normal_weights_have_their_deviation(name, std):
    values = draw(name) / std
    assert abs(values.mean()) < 0.02
    assert values.std() == pytest.approx(1, abs=0.012)
    assert (values**4).mean() == pytest.approx(3, abs=0.2)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("uniform", 0.0, 2 ** (1 / 784)),
        ("symmetric", -(2 ** (1 / 784)), 2 ** (1 / 784)),
        ("long", 0.5 ** (1 / 784), 2 ** (1 / 784)),
        ("one", 1.0, 1.0),
    ],
)
def test_recurrent_weights_fill_their_interval(name, low, high):
    u = recurrent(name, np.random.default_rng(0), 20_000, u_bound(784))
    assert u.shape == (20_000,)
    assert u.dtype == np.float64
    assert low <= u.min() <= low + 0.001 * (high - low)
    assert high - 0.001 * (high - low) <= u.max() <= high * (1 + 1e-15)
    assert u.mean() == pytest.approx((low + high) / 2, abs=0.01 * (high - low) + 1e-15)


def test_normal_recurrent_weights():
    u = recurrent("normal-0.4", np.random.default_rng(0), 20_000, 1.0)
    assert u.mean() == pytest.approx(0.4, abs=0.006)
    assert u.std() == pytest.approx(0.2, abs=0.004)


@pytest.mark.parametrize(
    ("seq_len", "mag", "wanted"),
    [
        (100, 2.0, 1.006956),
        (500, 2.0, 1.001387),
        (784, 2.0, 1.000885),
        (1000, 2.0, 1.000693),
        (5000, 2.0, 1.000139),
        (784, 5.0, 1.002055),
        (20, 5.0, 1.083798),
    ],
)
def test_printed_bounds(seq_len, mag, wanted):
    assert round(u_bound(seq_len, mag), 6) == wanted


@pytest.mark.parametrize(
    ("seq_len", "mag", "wanted"), [(784, 2.0, 0.99912), (784, 5.0, 0.997949), (20, 5.0, 0.2 ** (1 / 20))]
)
def test_long_memory_starts_at_the_inverse_bound(seq_len, mag, wanted):
    u = recurrent("long", np.random.default_rng(0), 50_000, u_bound(seq_len, mag))
    assert u.min() == pytest.approx(wanted, rel=1e-5)


def test_long_memory_at_bound_one_is_one():
    assert set(recurrent("long", np.random.default_rng(0), 5, 1.0).tolist()) == {1.0}


def test_long_memory_below_bound_one_is_refused():
    with pytest.raises(ConfigError, match=r"u_max = 0\.99.*last_u = as-others"):
        recurrent("long", np.random.default_rng(0), 5, 0.99)


def test_unknown_weight_initializer_lists_what_exists():
    with pytest.raises(ConfigError, match=r"'kaiming'.*Available: .*uniform-0\.001"):
        weight("kaiming", np.random.default_rng(0), (2, 2))


def test_unknown_recurrent_initializer_lists_what_exists():
    with pytest.raises(ConfigError, match=r"'longer'\. Did you mean 'long'\? Available: .*symmetric"):
        recurrent("longer", np.random.default_rng(0), 2, 1.0)
