"""Pixel permutations: torch's and NumPy's, as published."""

from __future__ import annotations

import numpy as np
import pytest

from npr.errors import ConfigError
from npr.tasks import permutation


def test_torch_seed_0_of_ten_is_the_published_order() -> None:
    assert permutation.draw("torch:0", 10).tolist() == [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]


def test_torch_seed_0_of_784_starts_as_published() -> None:
    start = [60, 361, 167, 578, 107, 772, 313, 626, 81, 367, 711, 728, 348, 523, 352, 410]
    assert permutation.draw("torch:0", 784)[:16].tolist() == start


def test_torch_seed_0_of_784_has_the_published_digest() -> None:
    assert permutation.digest(permutation.draw("torch:0", 784)).startswith("270deb57c4870003")


@pytest.mark.parametrize("seed", [0, 1, 1234, 2**32 - 1])
@pytest.mark.parametrize("size", [1, 2, 784])
def test_torch_is_emulated_exactly(seed: int, size: int) -> None:
    torch = pytest.importorskip("torch", reason="the emulation is compared with torch where it is installed")
    torch.manual_seed(seed)
    np.testing.assert_array_equal(permutation.draw(f"torch:{seed}", size), torch.randperm(size).numpy())


@pytest.mark.parametrize("seed", [0, 1234, 92916])
def test_numpy_is_the_legacy_generator(seed: int) -> None:
    wanted = np.random.RandomState(seed).permutation(784)
    np.testing.assert_array_equal(permutation.draw(f"numpy:{seed}", 784), wanted)


def test_numpy_92916_is_pinned() -> None:
    # Computed once: a change of NumPy's legacy generator would change the task.
    digest = permutation.digest(permutation.draw("numpy:92916", 784))
    assert digest == "96240fe27409981c3ed3e92c20d995f7103a94c2282307bc776923030113be74"


def test_none_keeps_the_order() -> None:
    assert permutation.draw("none", 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("spec", ["numpy:92916", "torch:7", "none"])
def test_every_pixel_appears_once(spec: str) -> None:
    order = permutation.draw(spec, 784)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(784))


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()
    permutation.draw("torch:3", 784)
    permutation.draw("numpy:3", 784)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    "spec",
    ["", "numpy", "numpy:", "numpy:-1", "numpy:1.5", "torch:x", "none:1", "torch:4294967296", "numpy:²"],
)
def test_other_forms_are_refused(spec: str) -> None:
    with pytest.raises(ConfigError, match=r"numpy:SEED, torch:SEED, none") as caught:
        permutation.check(spec)
    assert f"'{spec}'" in str(caught.value)
