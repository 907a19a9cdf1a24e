"""State of the optimisers, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_optimizers import draw

from npr import registry
from npr.errors import ConfigError
from npr.optimizers import SGD, Adam, Optimizer, RMSprop
from npr.params import flat_of, pack
from npr.segments import segments


def test_update_works_in_the_buffers_it_was_given():
    o, params, grads = Adam(), draw(0), draw(1)
    flat, g = flat_of(params), flat_of(grads).copy()
    state = o.init(params)
    new = o.update(params, grads, state)
    assert flat_of(params) is flat
    assert new.moments["first"] is state.moments["first"]
    assert (state.step, new.step) == (0, 1)
    np.testing.assert_array_equal(flat_of(grads), g)


def test_training_can_go_back_to_a_copied_state():
    o, params, grads = RMSprop(momentum=0.5), draw(0), [draw(1), draw(2), draw(3)]
    state = o.update(params, grads[0], o.init(params))
    saved, saved_params = state.copy(), pack(params)
    o.update(params, grads[1], state)
    again = pack(saved_params)
    o.update(again, grads[1], saved.copy())
    np.testing.assert_array_equal(flat_of(again), flat_of(params))
    assert not np.array_equal(flat_of(saved_params), flat_of(params))


@pytest.mark.parametrize(
    ("o", "moments"),
    [
        (SGD(momentum=0.0), {}),
        (SGD(), {"velocity": 0.0}),
        (RMSprop(), {"square": 0.0}),
        (RMSprop(rmsprop_form="tf1", momentum=0.9), {"square": 1.0, "velocity": 0.0}),
        (Adam(), {"first": 0.0, "second": 0.0}),
    ],
)
def test_first_state(o, moments):
    params = draw(0, np.float32)
    state = o.init(params)
    assert state.step == 0
    assert {k: set(v.tolist()) for k, v in state.moments.items()} == {k: {v} for k, v in moments.items()}
    assert all(v.dtype == np.float32 and v.size == flat_of(params).size for v in state.moments.values())


def test_neighbours_with_equal_coefficients_are_one_segment():
    rows = {"layers.0.W": (1.0, 0.1, 0.0), "layers.10.W": (2.0, 0.0, 0.0)}
    bounds, table = segments(draw(0), lambda name: rows.get(name, (1.0, 0.0, 0.0)))
    np.testing.assert_array_equal(bounds, [0, 35, 40, 65, 83])
    np.testing.assert_array_equal(table, [[1, 0.1, 0], [1, 0, 0], [2, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize(
    ("rule", "key", "value"),
    [
        (SGD, "lr", 0.0),
        (SGD, "lr", float("nan")),
        (SGD, "lr", "fast"),
        (SGD, "lr", True),
        (SGD, "momentum", 1.0),
        (SGD, "weight_decay", -1e-4),
        (SGD, "decay", "l2"),
        (SGD, "clip_norm", -1.0),
        (SGD, "clip_value", float("inf")),
        (RMSprop, "alpha", 1.0),
        (RMSprop, "momentum", -0.1),
        (RMSprop, "rmsprop_form", "keras"),
        (RMSprop, "eps", -1e-8),
        (Adam, "beta1", 1.0),
        (Adam, "beta2", -0.5),
        (Adam, "eps", 0.0),
    ],
)
def test_bad_values_are_named(rule, key, value):
    with pytest.raises(ConfigError, match=rf"^{key} = {value!r} is not valid; it must be .*[\[\('].*\.$"):
        rule(**{key: value})


@pytest.mark.parametrize("key", ["lr_by_prefix", "decay_by_prefix"])
def test_bad_value_of_a_prefix_is_named(key):
    with pytest.raises(ConfigError, match=rf"{key}\['readout\.'\] = -1"):
        Adam(**{key: {"readout.": -1}})


@pytest.mark.parametrize("key", ["lr_by_prefix", "decay_by_prefix"])
def test_a_prefix_that_fits_no_parameter_is_an_error(key):
    with pytest.raises(ConfigError, match=rf"{key}: no parameter starts with 'layer\.'.*readout\.bias"):
        Adam(**{key: {"layers.": 1.0, "layer.": 1.0}}).init(draw(0))


@pytest.mark.parametrize(
    "grads",
    [
        pytest.param(lambda: pack(dict(reversed(draw(1).items()))), id="order"),
        pytest.param(lambda: pack({name + "x": value for name, value in draw(1).items()}), id="names"),
        pytest.param(lambda: pack({name: value[:1] for name, value in draw(1).items()}), id="sizes"),
        pytest.param(lambda: draw(1, np.float32), id="dtype"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(grads):
    o, params = Adam(), draw(0)
    with pytest.raises(ValueError, match="gradients must have the names, order, sizes and dtype"):
        o.update(params, grads(), o.init(params))


@pytest.mark.parametrize("other", [SGD(), RMSprop()])
def test_a_state_of_another_optimizer_is_refused(other):
    params = draw(0)
    with pytest.raises(ValueError, match="optimiser state does not fit"):
        Adam().update(params, draw(1), other.init(params))


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
def test_registered(name):
    assert name in registry.optimizers.names()
    assert issubclass(registry.optimizers.get(name), Optimizer)
