"""The residual network whose linear maps lie in the recurrence's kernel agrees with the one where they are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from npr.backends import get_backend
from npr.context import Context
from npr.networks.residual import ResidualIndRNN


@dataclass(frozen=True)
class Apart(ResidualIndRNN):
    """The same network with a kernel for every map and every recurrence."""

    @property
    def _fused(self) -> bool:
        return False


def _passes(kind: type, keep: frozenset = frozenset(), ragged: bool = True, **options: object):
    sizes = {"input_size": 3, "output_size": 4, "seq_len": 30, "hidden_size": 21, "blocks": 2, "dropout": 0.25}
    model = kind(**{**sizes, **options})
    rng = np.random.default_rng(0)
    params, buffers = model.init(rng, np.float64)
    for name in params:
        params[name][...] += 0.2 * rng.standard_normal(params[name].shape)
    x = rng.standard_normal((30, 11, 3))
    state = tuple(rng.standard_normal((11, n)) for n in model.state_sizes())
    ctx = Context(get_backend("cpu"), dropout=True, rng=np.random.default_rng(1), keep=keep)
    done = model.forward(ctx, params, buffers, x, state, np.arange(20, 31) if ragged else None)
    d_state = tuple(np.ones_like(part) for part in done.state)
    return done, model.backward(ctx, params, done.cache, rng.standard_normal(done.output.shape), d_state)


def _assert_close(one: np.ndarray, other: np.ndarray, name: str) -> None:
    np.testing.assert_allclose(one, other, atol=1e-11 * (1 + np.abs(other).max()), err_msg=name)


@pytest.mark.parametrize("norm", ["none", "time", "step"])
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("extra", [{}, {"step_clip": 0.01}, {"last_size": 13}, {"activation": "tanh"}], ids=str)
def test_one_kernel_is_both(norm: str, readout: str, ragged: bool, extra: dict) -> None:
    options = {"norm": norm, "readout": readout, "ragged": ragged, **extra}
    fused, apart = (_passes(kind, **options) for kind in (ResidualIndRNN, Apart))
    _assert_close(fused[0].output, apart[0].output, "output")
    assert fused[1].params.keys() == apart[1].params.keys()
    for name, value in fused[1].params.items():
        _assert_close(value, apart[1].params[name], name)
    _assert_close(fused[1].x, apart[1].x, "x")
    for value, wanted in zip(fused[1].state, apart[1].state, strict=True):
        _assert_close(value, wanted, "state")


@pytest.mark.parametrize("norm", ["none", "time"])
def test_kept_series_are_those_of_each_recurrence(norm: str) -> None:
    keep = frozenset({"pre_activation", "h", "gradients"})
    fused, apart = (_passes(kind, keep, norm=norm)[0].cache.kept for kind in (ResidualIndRNN, Apart))
    assert fused.keys() == apart.keys()
    for name, value in fused.items():
        _assert_close(value, apart[name], name)
