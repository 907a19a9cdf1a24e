"""Recurrences whose matrix is spread over the blocks of a device, simulated, against the CPU kernels."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from test_cuda_models import BY_NAME, agree, ran

from npr import registry
from npr.backends import get_backend
from npr.gradcheck_cases import draw_point
from npr.kernels import dense, gru, lstm, resident, spread, spread_dense, spread_gates
from npr.kernels.cuda_target import cuda_kernel
from npr.kernels.spread import Spread, spread_for

SIZES = {"input_size": 2, "output_size": 3, "layers": 1, "readout": "every"}
KIB = 1024


@pytest.fixture
def cuda(monkeypatch):
    """The backend with every recurrence spread that can be: four units to a block, in which 16 slices of threads turn
    their columns two ways, and two tiles of rows to a group."""
    made = []

    def forced(xp, gates, rows, size, dtype):
        made.append(Spread(gates, size, 4, -(-size // 4), 16, -(-rows // 16), 16))
        return made[-1]

    monkeypatch.setattr(resident, "fits", lambda xp, n, dtype: False)
    for module in (dense, lstm, gru):
        monkeypatch.setattr(module, "spread_for", forced)
    yield get_backend("cuda")
    assert len(made) == 2


def _point(name, units, batch, **options):
    model = registry.models.get(name)(**SIZES, hidden_size=units, **options)
    case = dataclasses.replace(BY_NAME["ragged"], batch=batch, steps=4)
    return draw_point(model, case, (units, batch))


@pytest.mark.parametrize("units", [4, 10])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_the_device_computes_what_the_cpu_does(cuda, name, units):
    point = _point(name, units, 3)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_groups_of_two_tiles_of_sequences(cuda, name):
    point = _point(name, 4, 18)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_single_precision(cuda, name):
    point = _point(name, 5, 2)
    agree(ran(cuda, point, np.float32), ran(get_backend("cpu"), point, np.float32), 2e-4)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "identity", "modrelu"])
def test_every_activation_of_single_units(cuda, activation):
    point = _point("rnn", 5, 2, activation=activation)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


@pytest.mark.parametrize(
    ("name", "module", "kernels"),
    [
        ("rnn", spread_dense, ("spread_states", "spread_deltas")),
        ("gru", spread_gates, ("spread_gru", "spread_gru_deltas")),
    ],
)
def test_a_source_that_comes_in_parts(cuda, name, module, kernels, monkeypatch):
    monkeypatch.setattr(spread, "CHUNK", 4)
    for kernel in kernels:  # what was compiled before has parts of another size
        monkeypatch.setattr(module, kernel, cuda_kernel(getattr(module, kernel).function))
    point = _point(name, 6, 2)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


def test_all_steps_in_one_launch_as_on_a_device(cuda, monkeypatch):
    """With a single block, which waits for itself: the simulator runs no two at once."""
    monkeypatch.setattr(spread, "target", lambda: SimpleNamespace(simulated=False))
    point = _point("rnn", 4, 3)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


def _device(monkeypatch, room, processors):
    """Stands for a device with so many KiB of shared memory for a block, and multiprocessors."""
    found = SimpleNamespace(
        simulated=False, threads=128, shared_bytes=lambda xp: room * KIB, processors=lambda xp: processors
    )
    monkeypatch.setattr(spread, "target", lambda: found)


@pytest.mark.parametrize("rows", [32, 128])
@pytest.mark.parametrize("size", [128, 256, 512, 1024])
@pytest.mark.parametrize("gates", [1, 3, 4])
def test_a_large_device_holds_all_but_the_largest(monkeypatch, gates, size, rows):
    _device(monkeypatch, 227, 132)
    found = spread_for(None, gates, rows, size, np.dtype(np.float32))
    if (size, rows) == (1024, 128) and gates > 1:
        assert found is None  # groups of more sequences than MOST_ROWS
        return
    assert found.groups * found.blocks <= 132
    assert found.groups * found.rows >= rows
    assert found.blocks * found.units >= size
    assert found.shared(np.dtype(np.float32)) <= 227 * KIB
    assert found.units * gates % spread.COLUMNS == 0
    assert found.threads * spread.COLUMNS >= found.units * gates


def test_spreading_can_be_forbidden(monkeypatch):
    _device(monkeypatch, 227, 132)
    assert spread_for(None, 4, 32, 512, np.dtype(np.float32))
    monkeypatch.setenv("NPR_CUDA_SPREAD", "0")
    assert spread_for(None, 4, 32, 512, np.dtype(np.float32)) is None


@pytest.mark.parametrize(("gates", "rows", "most"), [(1, 32, 2112), (4, 32, 1056), (1, 128, 1056), (3, 128, 528)])
def test_what_a_large_device_holds(monkeypatch, gates, rows, most):
    _device(monkeypatch, 227, 132)
    assert spread_for(None, gates, rows, most, np.dtype(np.float32))
    assert not spread_for(None, gates, rows, most + 1, np.dtype(np.float32))


def test_what_cannot_be_held_is_not_spread(monkeypatch):
    _device(monkeypatch, 48, 132)
    assert spread_for(None, 4, 32, 512, np.dtype(np.float32)) is None
    _device(monkeypatch, 227, 4)
    assert spread_for(None, 1, 32, 512, np.dtype(np.float32)) is None
