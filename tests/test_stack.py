"""The kernel that takes a tile through all layers agrees with layer after layer, and with itself on any threads."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pytest

from npr.backends import get_backend
from npr.context import Backward, Context, Forward, Pass
from npr.networks.plain import PlainIndRNN

EXTRAS = [{}, {"step_clip": 0.01}, {"u_bound": "clip", "u_max": 0.5, "last_u": "as-others"}]


@dataclass(frozen=True)
class Unfused(PlainIndRNN):
    """The same network, one layer after the other."""

    def _stacked(self, run: Pass) -> bool:
        return False


def _passes(kind: type, lengths: np.ndarray | None, threads: int = 0, **options: object) -> tuple[Forward, Backward]:
    model = kind(input_size=3, output_size=4, seq_len=30, hidden_size=21, layers=3, norm="none", **options)
    rng = np.random.default_rng(0)
    params, buffers = model.init(rng, np.float64)
    for name in params:
        params[name][...] += 0.2 * rng.standard_normal(params[name].shape)
    x = rng.standard_normal((30, 11, 3))
    state = tuple(rng.standard_normal((11, 21)) for _ in range(3))
    ctx = Context(get_backend("cpu", threads))
    done = model.forward(ctx, params, buffers, x, state, lengths)
    d_output, d_state = np.ones_like(done.output), tuple(np.ones_like(part) for part in done.state)
    return done, model.backward(ctx, params, done.cache, d_output, d_state)


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: next(iter(extra), "bare"))
def test_fused_layers_are_the_layers(activation: str, readout: str, ragged: bool, extra: dict) -> None:
    lengths = np.arange(20, 31) if ragged else None
    fused, one_by_one = (
        _passes(kind, lengths, activation=activation, readout=readout, **extra) for kind in (PlainIndRNN, Unfused)
    )
    np.testing.assert_allclose(fused[0].output, one_by_one[0].output, atol=1e-12)
    for name, value in fused[1].params.items():
        wanted = one_by_one[1].params[name]
        np.testing.assert_allclose(value, wanted, atol=1e-12 * (1 + np.abs(wanted).max()), err_msg=name)
    np.testing.assert_allclose(fused[1].x, one_by_one[1].x, atol=1e-11)
    for value, wanted in zip(fused[1].state, one_by_one[1].state, strict=True):
        np.testing.assert_allclose(value, wanted, atol=1e-11)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two processors")
@pytest.mark.parametrize("kind", [PlainIndRNN, Unfused])
def test_the_bits_do_not_depend_on_the_number_of_threads(kind: type) -> None:
    one, two = (_passes(kind, None, threads)[1].params for threads in (1, 2))
    get_backend("cpu")
    for name, value in one.items():
        assert value.tobytes() == two[name].tobytes(), name


def test_a_cache_may_outlive_the_next_forward_pass() -> None:
    model = PlainIndRNN(input_size=2, output_size=3, hidden_size=5, layers=2)
    params, buffers = model.init(np.random.default_rng(0), np.float64)
    ctx = Context(get_backend("cpu"))
    first, second = (np.random.default_rng(seed).standard_normal((6, 4, 2)) for seed in (1, 2))
    d_output = np.ones((4, 3))
    alone = model.backward(ctx, params, model.forward(ctx, params, buffers, first).cache, d_output).params
    kept = model.forward(ctx, params, buffers, first).cache
    model.forward(ctx, params, buffers, second)
    late = model.backward(ctx, params, kept, d_output).params
    for name, value in alone.items():
        np.testing.assert_array_equal(value, late[name], err_msg=name)
