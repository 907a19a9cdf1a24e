"""A second rate, and a second optimiser, for the parameters behind orthogonal matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npr.errors import ConfigError
from npr.optimizer_groups import Grouped
from npr.optimizers import SGD, Adam, RMSprop
from npr.params import Params, pack
from npr.training import resolve


def skew(name: str) -> bool:
    return name.endswith("skew")


def drawn(seed: int) -> Params:
    rng = np.random.default_rng(seed)
    return pack({"W_in": rng.normal(size=(2, 3)), "recurrent.skew": rng.normal(size=4), "bias": rng.normal(size=3)})


def alone(optimizer: Any, name: str, steps: int = 3) -> np.ndarray:
    """One tensor trained as if the others did not exist."""
    params = pack({name: drawn(0)[name]})
    state = optimizer.init(params)
    for step in range(steps):
        state = optimizer.update(params, pack({name: drawn(step + 1)[name]}), state)
    return params[name]


def together(optimizer: Any, steps: int = 3) -> Params:
    params = drawn(0)
    state = optimizer.init(params, skew)
    for step in range(steps):
        state = optimizer.update(params, drawn(step + 1), state, orthogonal=skew)
    assert state.step == steps
    return params


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam])
def test_lr_orth_is_the_rate_of_orthogonal_parameters(kind: type) -> None:
    found = together(kind(lr=0.1, lr_orth=0.003))
    assert np.array_equal(found["W_in"], alone(kind(lr=0.1), "W_in"))
    assert np.array_equal(found["bias"], alone(kind(lr=0.1), "bias"))
    assert np.array_equal(found["recurrent.skew"], alone(kind(lr=0.003), "recurrent.skew"))


def test_two_optimisers_share_the_parameters_out() -> None:
    main, orth = Adam(lr=0.1, weight_decay=0.2), RMSprop(lr=0.003, alpha=0.5)
    found = together(Grouped(main, orth))
    assert np.array_equal(found["W_in"], alone(main, "W_in"))
    assert np.array_equal(found["recurrent.skew"], alone(orth, "recurrent.skew"))


def test_decoupled_decay_stays_in_its_group() -> None:
    main, orth = Adam(lr=0.1), RMSprop(lr=0.01, weight_decay=0.5, decay="decoupled")
    assert np.array_equal(together(Grouped(main, orth))["W_in"], alone(main, "W_in"))


@pytest.mark.parametrize("optimizer", [Adam(lr_orth=0.1), Grouped(Adam(), RMSprop())], ids=["rate", "optimiser"])
def test_a_model_without_orthogonal_parameters_is_told(optimizer: Any) -> None:
    with pytest.raises(ConfigError, match="no orthogonal parameters; leave it out"):
        optimizer.init(drawn(0), lambda name: False)


def test_a_second_optimiser_comes_from_the_configuration() -> None:
    flags = {"model": "scornn", "task": "adding", "preset": "none", "optimizer": "adam", "optimizer_orth": "rmsprop"}
    config = resolve({**flags, "lr": 1e-3, "lr_orth": 1e-4, "alpha": 0.9, "clip_norm": 2.0})
    made = config.build().optimizer
    assert made == Grouped(Adam(lr=1e-3, clip_norm=2.0), RMSprop(lr=1e-4, alpha=0.9, eps=1e-8, clip_norm=2.0))
    assert type(config).from_flat(config.flat()).build().optimizer == made


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"optimizer_orth": "rmsprop"}, "needs a rate: give lr_orth"),
        ({"optimizer_orth": "rmsprob", "lr_orth": 1e-4}, "Did you mean 'rmsprop'"),
        ({"alpha": 0.9}, "Unknown key 'alpha'"),
        ({"lr_orth": -1.0}, "lr_orth = -1"),
    ],
)
def test_a_second_optimiser_that_makes_no_sense_is_refused(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "exprnn", "task": "adding", "preset": "none", "optimizer": "adam", **flags})
    assert message in str(caught.value)
