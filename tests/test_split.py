"""Splits: every image once, in the published places."""

from __future__ import annotations

import numpy as np
import pytest

from npr.errors import ConfigError
from npr.tasks import split


def test_tail_holds_out_the_last_images() -> None:
    parts = split.divide("tail:5000", 60_000)
    np.testing.assert_array_equal(parts.train, np.arange(55_000))
    np.testing.assert_array_equal(parts.validation, np.arange(55_000, 60_000))


def test_nnrnn_continues_the_generator_of_its_permutation() -> None:
    rng = np.random.RandomState(1234)
    rng.permutation(784)
    wanted = rng.permutation(60_000)
    parts = split.divide("nnrnn", 60_000)
    np.testing.assert_array_equal(parts.train, wanted[:50_000])
    np.testing.assert_array_equal(parts.validation, wanted[50_000:])


def test_random_holds_out_as_many_as_asked() -> None:
    parts = split.divide("random:3000:7", 60_000)
    assert (len(parts.train), len(parts.validation)) == (57_000, 3_000)


def test_random_depends_on_its_seed_alone() -> None:
    first, again, other = (split.divide(f"random:50:{seed}", 300) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.validation, again.validation)
    assert set(first.validation.tolist()) != set(other.validation.tolist())


def test_none_holds_out_nothing() -> None:
    parts = split.divide("none", 100)
    assert len(parts.train) == 100
    assert len(parts.validation) == 0


@pytest.mark.parametrize("spec", ["tail:5", "random:7:0", "nnrnn", "none"])
def test_every_image_is_used_once(spec: str) -> None:
    parts = split.divide(spec, 60)
    assert sorted([*parts.train, *parts.validation]) == list(range(60))
    assert parts.train.dtype == parts.validation.dtype == np.int64


@pytest.mark.parametrize(
    "spec",
    ["", "tail", "tail:", "tail:0", "tail:-5", "tail:5:1", "random:5", "random:0:1", "nnrnn:1", "head:5"],
)
def test_other_forms_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match="tail:COUNT, random:COUNT:SEED, nnrnn, none") as caught:
        split.check(spec)
    assert f"'{spec}'" in str(caught.value)


@pytest.mark.parametrize("spec", ["tail:60", "random:61:0"])
def test_something_must_remain_to_train_on(spec: str) -> None:
    with pytest.raises(ConfigError, match="there are only 60"):
        split.divide(spec, 60)
