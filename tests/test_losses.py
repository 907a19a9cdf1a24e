"""Losses against their definitions, finite differences and, where present, torch."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from npr import registry
from npr.losses import accuracy, cross_entropy, mse, smooth_l1

K = 4
SHAPES = [(3,), (5, 3)]  # the answer at the end (B,), at every step (T, B)


def draw(shape: tuple[int, ...], kind: str, dtype: type = np.float64) -> tuple[np.ndarray, ...]:
    """Output, target and a mask that leaves something out and something in."""
    rng = np.random.default_rng(len(shape))
    output = rng.normal(size=(*shape, K), scale=2).astype(dtype)
    target = rng.integers(K, size=shape) if kind == "classes" else rng.normal(size=(*shape, K)).astype(dtype)
    weight = (rng.random(shape) < 0.6).astype(dtype)
    weight.flat[0], weight.flat[-1] = 1, 0
    return output, target, weight


def entry_cross_entropy(row: np.ndarray, k: int) -> float:
    return math.log(sum(math.exp(x) for x in row)) - row[k]


def entry_mse(row: np.ndarray, wanted: np.ndarray) -> float:
    return sum((x - y) ** 2 for x, y in zip(row, wanted, strict=True)) / K


def entry_smooth_l1(row: np.ndarray, wanted: np.ndarray) -> float:
    errors = [abs(x - y) for x, y in zip(row, wanted, strict=True)]
    return sum(0.5 * e * e if e < 1 else e - 0.5 for e in errors) / K


CASES = [
    pytest.param(cross_entropy, entry_cross_entropy, "classes", id="cross-entropy"),
    pytest.param(mse, entry_mse, "values", id="mse"),
    pytest.param(smooth_l1, entry_smooth_l1, "values", id="smooth-l1"),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("loss", "entry", "kind"), CASES)
def test_value_is_the_mean_over_what_counts(loss: Callable, entry: Callable, kind, masked, shape):
    output, target, weight = draw(shape, kind)
    places = [at for at in np.ndindex(*shape) if weight[at] or not masked]
    wanted = math.fsum(entry(output[at], target[at]) for at in places) / len(places)
    value, _ = loss(output, target, weight if masked else None)
    assert isinstance(value, float)
    assert value == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("loss", "entry", "kind"), CASES)
def test_gradient_is_that_of_the_value(loss: Callable, entry: Callable, kind, masked, shape):
    output, target, weight = draw(shape, kind)
    options = (target, weight) if masked else (target,)
    _, gradient = loss(output, *options)
    wanted = np.empty_like(output)
    for at in np.ndindex(output.shape):
        step = np.zeros_like(output)
        step[at] = 1e-6
        wanted[at] = (loss(output + step, *options)[0] - loss(output - step, *options)[0]) / 2e-6
    np.testing.assert_allclose(gradient, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("loss", "entry", "kind"), CASES)
def test_float32_stays_float32_and_input_stays_as_it_is(loss: Callable, entry: Callable, kind):
    output, target, weight = draw((5, 3), kind, np.float32)
    before = output.copy(), target.copy(), weight.copy()
    value, gradient = loss(output, target, weight)
    wanted = target if kind == "classes" else target.astype(np.float64)
    exact, exact_gradient = loss(output.astype(np.float64), wanted, weight)
    assert gradient.dtype == np.float32
    assert value == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-5, atol=1e-8)
    for array, copy in zip((output, target, weight), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(("loss", "entry", "kind"), CASES)
def test_nothing_that_counts_is_no_loss(loss: Callable, entry: Callable, kind):
    output, target, weight = draw((5, 3), kind)
    value, gradient = loss(output, target, 0 * weight)
    assert value == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_huge_scores(dtype):
    value, gradient = cross_entropy(np.array([[1e4, 0, 0], [-1e4, 0, 0]], dtype), np.array([1, 0]))
    assert value == pytest.approx(1e4 + math.log(2) / 2, rel=1e-12)
    np.testing.assert_allclose(gradient, [[0.5, -0.5, 0], [-0.5, 0.25, 0.25]])


def test_cross_entropy_is_accumulated_in_double():
    # One term of 1e4 next to 10,000 of log 3: in float32 each of them would lose its last digits.
    output = np.zeros((10_001, 3), np.float32)
    output[0, 1] = 1e4
    value, _ = cross_entropy(output, np.zeros(10_001, np.int64))
    assert value == pytest.approx((1e4 + 1e4 * math.log(3)) / 10_001, rel=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int64])
def test_cross_entropy_of_more_positions_than_the_type_of_the_classes_counts(kind: type) -> None:
    rng = np.random.default_rng(1)
    output, target = rng.normal(size=(40, 30, 9)), rng.integers(9, size=(40, 30))
    value, gradient = cross_entropy(output, target.astype(kind))
    wanted = np.mean([entry_cross_entropy(row, k) for row, k in zip(output.reshape(-1, 9), target.flat, strict=True)])
    assert value == pytest.approx(wanted, rel=1e-12)
    assert gradient.flags.c_contiguous
    one_hot = np.eye(9)[target]
    softmax = np.exp(output) / np.exp(output).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(gradient, (softmax - one_hot) / target.size, rtol=1e-10, atol=1e-16)


def test_cross_entropy_of_a_single_class_and_of_no_position() -> None:
    output = np.ones((2, 1), np.float32)
    value, gradient = cross_entropy(output, np.zeros(2, int))
    assert (value, gradient.tolist(), output.tolist()) == (0, [[0], [0]], [[1], [1]])
    value, gradient = cross_entropy(np.ones((0, 4)), np.zeros(0, int))
    assert (value, gradient.shape) == (0, (0, 4))


def test_mse_is_squared_in_double():
    value, _ = mse(np.full((1, 2), 1e25, np.float32), np.zeros((1, 2), np.float32))
    assert value == pytest.approx(1e50, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(("loss", "entry", "kind"), CASES)
def test_diverged_output_is_not_hidden(loss: Callable, entry: Callable, kind, bad, recwarn):
    output, target, _ = draw((5, 3), kind)
    output[2, 1, 0] = bad
    assert not math.isfinite(loss(output, target)[0])
    assert not recwarn.list


@pytest.mark.parametrize("loss", [mse, smooth_l1])
def test_classes_stand_for_one_hot_vectors(loss: Callable):
    output, target, weight = draw((5, 3), "classes")
    one_hot = np.zeros_like(output)
    for at in np.ndindex(*target.shape):
        one_hot[(*at, target[at])] = 1
    value, gradient = loss(output, target, weight)
    wanted, wanted_gradient = loss(output, one_hot, weight)
    assert value == wanted
    np.testing.assert_array_equal(gradient, wanted_gradient)


@pytest.mark.parametrize(
    ("loss", "name"), [(cross_entropy, "cross_entropy"), (mse, "mse_loss"), (smooth_l1, "smooth_l1_loss")]
)
def test_equals_torch(loss: Callable, name):
    torch = pytest.importorskip("torch", reason="torch is an optional peer, it comes with the extra 'bench'")
    output, target, _ = draw((7,), "classes" if loss is cross_entropy else "values")
    tensor = torch.tensor(output, requires_grad=True)
    peer = getattr(torch.nn.functional, name)(tensor, torch.tensor(target))
    peer.backward()
    value, gradient = loss(output, target)
    assert value == pytest.approx(peer.item(), rel=1e-13)
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.zeros(3, np.int64), r"target is int64 \(3,\), wanted integers \(2,\)"),
        (np.zeros(2), "target is float64"),
        (np.array([0, 4]), r"classes 0\.\.4, wanted 0\.\.3"),
        (np.array([-1, 0]), r"classes -1\.\.0, wanted 0\.\.3"),
    ],
)
@pytest.mark.parametrize("function", [cross_entropy, accuracy])
def test_classes_that_do_not_fit_are_refused(function: Callable, target, message):
    with pytest.raises(ValueError, match=message):
        function(np.zeros((2, K)), target)


@pytest.mark.parametrize("loss", [mse, smooth_l1])
def test_classes_without_a_one_hot_vector_are_refused(loss: Callable):
    with pytest.raises(ValueError, match=r"classes -1\.\.0, wanted 0\.\.3"):
        loss(np.zeros((2, K)), np.array([-1, 0]))


@pytest.mark.parametrize("loss", [mse, smooth_l1])
def test_values_that_do_not_fit_are_refused(loss: Callable):
    # (2,) against (2, K) must not broadcast.
    with pytest.raises(ValueError, match=r"target has shape \(4,\), wanted \(4, 4\)"):
        loss(np.zeros((4, K)), np.zeros(4))


@pytest.mark.parametrize(("loss", "entry", "kind"), CASES)
def test_a_mask_that_does_not_fit_is_refused(loss: Callable, entry: Callable, kind):
    output, target, weight = draw((5, 3), kind)
    with pytest.raises(ValueError, match=r"weight has shape \(5,\), wanted \(5, 3\)"):
        loss(output, target, weight[:, 0])


@pytest.mark.parametrize(("weight", "wanted"), [(None, 3), (np.array([1, 0, 1, 1]), 2), (np.zeros(4), 0)])
def test_accuracy_counts_right_answers(weight, wanted):
    output = np.array([[0.1, 0.9], [0.8, 0.2], [-1, -2], [0.3, 0.4]])
    count = accuracy(output, np.array([1, 0, 1, 1]), weight)
    assert count == wanted
    assert isinstance(count, int)


@pytest.mark.parametrize(("name", "loss"), [("cross-entropy", cross_entropy), ("mse", mse), ("smooth-l1", smooth_l1)])
def test_registered(name, loss):
    assert name in registry.losses.names()
    assert registry.losses.get(name) is loss


@pytest.mark.parametrize("loss", [mse, smooth_l1])
def test_bits_are_wanted_as_zeros_and_ones(loss: Callable):
    output, _, weight = draw((5, 3), "values", np.float32)
    bits = np.random.default_rng(1).random((5, 3, K)) < 0.5
    value, gradient = loss(output, bits, weight)
    wanted, wanted_gradient = loss(output, bits.astype(np.float32), weight)
    assert (value, gradient.dtype) == (wanted, np.float32)
    np.testing.assert_array_equal(gradient, wanted_gradient)
