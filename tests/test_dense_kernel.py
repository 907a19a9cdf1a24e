"""The dense recurrence kernels against plain NumPy: every activation, odd sizes, lengths, carried state, masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import oracle_dense
import oracles
import pytest

from npr.backends import get_backend
from npr.slices import cut

CPU = get_backend("cpu")
ACTIVATIONS = ["tanh", "relu", "sigmoid", "identity", "modrelu"]
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}


class Case(NamedTuple):
    """Sizes of one comparison."""

    times: int = 9
    batch: int = 7
    inputs: int = 3
    units: int = 5
    activation: str = "tanh"
    ragged: bool = False
    dtype: Any = np.float64
    dropped: bool = False


class Drawn(NamedTuple):
    x: np.ndarray
    w: oracle_dense.Weights
    h0: np.ndarray
    g: np.ndarray
    lengths: np.ndarray | None
    mask: np.ndarray


def draw(case: Case) -> Drawn:
    rng = np.random.default_rng(case.times * 1000 + case.units)
    T, B, D, N = case.times, case.batch, case.inputs, case.units
    lengths = rng.integers(1, T + 1, B) if case.ragged else None
    if lengths is not None:
        lengths[0] = T
    w = oracle_dense.Weights(
        rng.normal(size=(D, N)), rng.normal(size=N), rng.normal(size=(N, N)) * N**-0.5, rng.uniform(-0.5, 0.2, N)
    )
    mask = 2.0 * (rng.random((B, N)) < 0.5) if case.dropped else np.ones((B, N))
    return Drawn(rng.normal(size=(T, B, D)), w, rng.normal(size=(B, N)), rng.normal(size=(T, B, N)), lengths, mask)


def run(case: Case, drawn: Drawn) -> dict[str, np.ndarray]:
    """Everything the kernels return, time-major."""
    dtype, w, backend = case.dtype, drawn.w, CPU
    slicing = cut(case.times, case.batch, drawn.lengths)
    S, R, N, D = slicing.slices, slicing.rows, case.units, case.inputs
    x = slicing.split(drawn.x.astype(dtype))
    h = np.full((S, case.times + 1, R, N), np.nan, dtype)
    h[:, 0] = slicing.split_rows(drawn.h0.astype(dtype))
    W_in, W_rec = w.W_in.astype(dtype), w.W_rec.astype(dtype)
    bias = np.ascontiguousarray(np.broadcast_to(w.bias.astype(dtype), (S, R, N)))
    none = np.empty((0, 0, 0), dtype)
    kernels = backend.kernels.dense
    code = backend.activations[case.activation]
    offset = np.tile(w.modrelu.astype(dtype), (R, 1))
    scan = kernels.DenseScan(offset, slicing.lengths, code, slicing.steps)
    kernels.dense_forward(x, none, backend.pack(W_in), bias, backend.pack(W_rec), scan, h)
    g, gx = slicing.split(drawn.g.astype(dtype)), np.full_like(x, np.nan)
    dw_in, dw = np.zeros((S, D, N), dtype), np.zeros((S, N, N), dtype)
    row_sums, d_offset = np.zeros((S, R, N), dtype), np.zeros((S, N), dtype)
    carry = np.zeros((S, R, N), dtype)
    mask = slicing.split_rows(drawn.mask.astype(dtype)) if case.dropped else none
    kernels.dense_backward(
        x, none, backend.pack(W_in.T), backend.pack(W_rec.T), scan, h, g, mask, 0, gx,
        dw_in, dw, row_sums, d_offset, carry,
    )  # fmt: skip
    return {
        "h": slicing.join(h),
        "W_in": dw_in.sum(0),
        "bias": row_sums.sum((0, 1)),
        "W_rec": dw.sum(0),
        "modrelu": d_offset.sum(0),
        "x": slicing.join(gx),
        "h0": slicing.join_rows(carry),
    }


def assert_agrees(case: Case) -> None:
    drawn = draw(case)
    found = run(case, drawn)
    h, a = oracle_dense.forward(drawn.x, drawn.w, drawn.h0, case.activation, drawn.lengths)
    # No gradient arrives behind the end of a sequence.
    g = oracles.valid_steps(drawn.lengths, *drawn.x.shape[:2]) * drawn.mask * drawn.g
    wanted = oracle_dense.backward(drawn.x, drawn.w, h, a, g, case.activation, drawn.lengths)
    wanted["h"] = h[1:]
    if case.activation != "modrelu":
        del wanted["modrelu"]
    for name, value in wanted.items():
        error = np.abs(found[name] - value).max() / max(1.0, np.abs(value).max())
        assert error <= TOLERANCE[case.dtype], name


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("ragged", [False, True])
def test_every_activation(activation: str, ragged: bool, dtype: Any) -> None:
    assert_agrees(Case(activation=activation, ragged=ragged, dtype=dtype))


@pytest.mark.parametrize("units", [1, 2, 16, 33, 130])
@pytest.mark.parametrize("batch", [1, 3, 8, 21])
def test_every_size(batch: int, units: int) -> None:
    assert_agrees(Case(times=30, batch=batch, units=units, inputs=2, activation="modrelu", ragged=True))


@pytest.mark.parametrize("times", [1, 2, 200])
def test_every_length(times: int) -> None:
    assert_agrees(Case(times=times, batch=16, units=6))


def test_dropout_on_the_output() -> None:
    assert_agrees(Case(dropped=True, ragged=True))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_nan_stays_visible(activation: str) -> None:
    case = Case(activation=activation, dtype=np.float32)
    drawn = draw(case)
    drawn.x[2, 4, 1] = np.nan
    h = run(case, drawn)["h"]
    assert np.isnan(h[2:, 4]).all()
    assert np.isfinite(h[:, :4]).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_complex_modrelu_takes_pairs_of_units(dtype: Any) -> None:
    case = Case(units=6, activation="complex-modrelu", ragged=True, dtype=dtype)
    drawn = draw(case)
    drawn = drawn._replace(w=drawn.w._replace(modrelu=drawn.w.modrelu - 1.2))
    wanted, _ = oracle_dense.forward(drawn.x, drawn.w, drawn.h0, case.activation, drawn.lengths)
    off = np.abs(wanted[1:, :, :3] + 1j * wanted[1:, :, 3:]) == 0
    assert 0 < off.mean() < 1
    assert np.abs(run(case, drawn)["h"] - wanted[1:]).max() <= TOLERANCE[dtype]
