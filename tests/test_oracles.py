"""The oracles themselves: backward passes against differences, batch norm against its definition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import oracle_networks as networks
import oracles
import pytest

T, B, N = 6, 4, 3
LENGTHS = np.array([6, 1, 4, 2])


class Drawn(NamedTuple):
    z: oracles.Array
    u: oracles.Array
    h0: oracles.Array
    g: oracles.Array


def draw(seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    z, g = rng.normal(size=(2, T, B, N))
    return Drawn(z, rng.uniform(-1.2, 1.2, N), rng.normal(size=(B, N)), g)


def close(got: oracles.Array, wanted: oracles.Array) -> bool:
    return bool(np.abs(got - wanted).max() <= 1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("activation", sorted(oracles.ACTIVATIONS))
@pytest.mark.parametrize("argument", ["z", "u", "h0"])
def test_recurrence_backward_is_the_derivative(argument: str, activation: str, lengths) -> None:
    d = draw(1)

    def loss(value):
        at = d._replace(**{argument: value})
        return (d.g * oracles.indrnn_forward(at.z, at.u, at.h0, activation, lengths)[1:]).sum()

    h = oracles.indrnn_forward(d.z, d.u, d.h0, activation, lengths)
    gradients = oracles.indrnn_backward(oracles.Recurrence(d.z, d.u, h, activation, lengths), d.g)
    got = dict(zip(["z", "u", "h0"], gradients, strict=True))[argument]
    assert close(got, oracles.complex_gradient(loss, getattr(d, argument)))


def test_masked_recurrence_holds_the_last_valid_state() -> None:
    d = draw(2)
    h = oracles.indrnn_forward(d.z, d.u, d.h0, "tanh", LENGTHS)
    alone = [oracles.indrnn_forward(d.z[:n, [b]], d.u, d.h0[[b]], "tanh")[-1, 0] for b, n in enumerate(LENGTHS)]
    assert np.array_equal(h[-1], np.stack(alone))


def test_step_clip_bounds_what_flows_on() -> None:
    d = Drawn(np.ones((2, 1, 1)), np.array([3.0]), np.zeros((1, 1)), np.array([[[0.0]], [[5.0]]]))
    h = oracles.indrnn_forward(d.z, d.u, d.h0, "identity")
    dz, du, dh0 = oracles.indrnn_backward(oracles.Recurrence(d.z, d.u, h, "identity"), d.g, step_clip=2.0)
    assert (dz.ravel().tolist(), du.tolist(), dh0.ravel().tolist()) == ([2.0, 2.0], [2.0], [6.0])


@pytest.mark.parametrize(("u", "wanted"), [(-5.0, -3.0), (-2.0, -2.0), (0.1, 1.0), (-0.1, -1.0), (0.0, 0.0)])
def test_in_graph_bound(u: float, wanted: float) -> None:
    assert oracles.bounded(np.array([u]), 1.0, 3.0)[0] == wanted


@pytest.mark.parametrize(("kind", "axes"), [("time", (0, 1)), ("step", (1,))])
def test_norm_gives_zero_mean_and_unit_variance(kind: str, axes: tuple[int, ...]) -> None:
    y = oracles.norm_forward(draw(3).z, np.ones(N), np.zeros(N), 0.0, kind).y
    assert np.allclose(y.mean(axes), 0, atol=1e-13)
    assert np.allclose(y.var(axes), 1, atol=1e-13)


@pytest.mark.parametrize("kind", ["time", "step"])
def test_norm_pools_valid_rows_only(kind: str) -> None:
    h = draw(4).z
    out = oracles.norm_forward(h, np.ones(N), np.zeros(N), 1e-5, kind, LENGTHS)
    valid = oracles.valid_steps(LENGTHS, T, B)[:, :, 0] > 0
    pools = [h[valid]] if kind == "time" else [h[t, valid[t]] for t in range(T)]
    assert np.allclose(out.mean.reshape(-1, N), [pool.mean(0) for pool in pools], atol=1e-14)
    assert np.allclose(out.var.reshape(-1, N), [pool.var(0) for pool in pools], atol=1e-14)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize("kind", ["time", "step"])
@pytest.mark.parametrize("argument", ["h", "gamma", "beta"])
def test_norm_backward_is_the_derivative(argument: str, kind: str, lengths) -> None:
    d, rng = draw(5), np.random.default_rng(6)
    at = {"h": d.z, "gamma": rng.normal(size=N), "beta": rng.normal(size=N)}
    mask = oracles.valid_steps(lengths, T, B)

    def loss(value):
        v = at | {argument: value}
        return (mask * d.g * oracles.norm_forward(v["h"], v["gamma"], v["beta"], 1e-3, kind, lengths).y).sum()

    out = oracles.norm_forward(at["h"], at["gamma"], at["beta"], 1e-3, kind, lengths)
    gradients = oracles.norm_backward(out, d.g, at["gamma"], 1e-3, kind, lengths)
    got = dict(zip(at, gradients, strict=True))[argument]
    assert close(got, oracles.complex_gradient(loss, at[argument]))


@pytest.mark.parametrize("name", ["cross_entropy", "mse", "smooth_l1"])
def test_loss_gradient_is_the_derivative(name: str) -> None:
    rng = np.random.default_rng(7)
    output, loss = 2 * rng.normal(size=(3, 4)), getattr(oracles, name)
    target = np.array([0, 3, 1]) if name == "cross_entropy" else rng.normal(size=(3, 4))
    wanted = oracles.complex_gradient(lambda value: loss(value, target)[0], output)
    assert close(loss(output, target)[1], wanted)


def test_weighted_cross_entropy_is_the_mean_over_counted_entries() -> None:
    output, target = np.random.default_rng(8).normal(size=(4, 5)), np.array([0, 4, 2, 2])
    value, gradient = oracles.cross_entropy(output, target, np.array([1.0, 0.0, 1.0, 0.0]))
    assert value == pytest.approx(oracles.cross_entropy(output[::2], target[::2])[0], rel=1e-14)
    assert np.abs(gradient[1::2]).max() == 0


def test_shared_mask_keeps_the_mean() -> None:
    mask = oracles.shared_mask(np.random.default_rng(9), (400, 100), 0.25)
    assert set(np.unique(mask)) == {0.0, 1 / 0.75}
    assert mask.mean() == pytest.approx(1.0, abs=0.02)


def test_both_derivatives_agree() -> None:
    at = np.random.default_rng(10).normal(size=5)
    by_steps = oracles.difference_gradient(lambda v: float(np.tanh(v).prod()), at)
    assert np.allclose(by_steps, oracles.complex_gradient(lambda v: np.tanh(v).prod(), at), rtol=1e-7)


@pytest.mark.parametrize(
    ("count", "sizes", "wanted"),
    [
        (networks.plain_count, (1, 10, 128, 6), 86_410),
        (networks.plain_count, (1, 10, 128, 12), 187_786),
        (networks.plain_count, (150, 60, 512, 6), 1_430_588),
        (networks.residual_count, (1, 10, 128, 5), 170_890),
        (networks.residual_count, (150, 60, 512, 5), 2_751_548),
        (networks.dense_count, (1, 10, 16, (8, 6, 4)), 256_514),
        (networks.dense_count, (150, 60, 48, (8, 6, 4)), 2_314_428),
    ],
)
def test_counts_are_the_published_ones(count, sizes: tuple, wanted: int) -> None:
    assert count(*sizes) == wanted
