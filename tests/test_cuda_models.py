"""Every model on a CUDA device, simulated where there is none, against the CPU kernels: outputs, states, gradients.

Those of IndRNN are in `test_cuda_indrnn.py`, so that two processes can share the work."""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np
import pytest

from npr import registry
from npr.arrays import host
from npr.backends import get_backend
from npr.context import Context
from npr.errors import BackendError
from npr.gradcheck_cases import CASES, applies, draw_point, options_for, shortened
from npr.kernels import resident
from npr.params import pack

STEPS = 20  # the simulator takes milliseconds for each
BY_NAME = {case.name: case for case in CASES}
# In float32 what could be computed in double, or from arrays of another type.
SINGLE = ("recurrence", "norm-before", "norm-steps", "dropout", "both-directions", "embedding", "gates", "gates-after")
POINTS = [
    (name, case.name, dtype)
    for name in sorted(registry.models.names())
    for case in CASES
    for dtype in (np.float64, np.float32)
    if applies(name, case) and (dtype is np.float64 or case.name in SINGLE)
]
INDRNN = "indrnn"


def ran(backend, point, dtype, **choices):
    """Output, states and gradients by name, on the host."""
    put = backend.put
    params = pack({name: put(value.astype(dtype)) for name, value in point.params.items()})
    buffers = {name: put(value) for name, value in point.buffers.items()}
    x = point.x if point.x.dtype.kind in "iu" else point.x.astype(dtype)
    state = None if point.state is None else tuple(put(part.astype(dtype)) for part in point.state)
    d_state = None if point.d_state is None else tuple(put(part.astype(dtype)) for part in point.d_state)
    ctx = Context(backend, dropout=True, rng=np.random.default_rng(point.mask_seed), **choices)
    model = point.model
    out = model.forward(ctx, params, buffers, put(x), state, point.lengths)
    back = model.backward(ctx, params, out.cache, put(point.d_output.astype(dtype)), d_state)
    found = {"output": out.output, **{f"state {i}": part for i, part in enumerate(out.state)}}
    found |= {f"buffer {name}": value for name, value in out.buffers.items()}
    found |= {f"d {name}": value for name, value in back.params.items()}
    found |= {f"d_state {i}": part for i, part in enumerate(back.state)}
    if back.x is not None:
        found["dx"] = back.x
    return {name: host(value) for name, value in found.items()}


def agree(found, wanted, tolerance):
    """Compare what `ran` gives on two devices."""
    assert wanted.keys() == found.keys()
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype, key
        scale = max(1.0, float(np.abs(value).max(initial=0)))
        np.testing.assert_allclose(found[key] / scale, value / scale, rtol=0, atol=tolerance, err_msg=key)


def compare(cuda, name, case, dtype):
    """Both passes of a model at a case's point."""
    case = BY_NAME[case]
    model = registry.models.get(name)(**options_for(name, case, {}))
    short = shortened(model, dataclasses.replace(case, steps=min(case.steps, STEPS)))
    point = draw_point(model, short, (zlib.crc32(name.encode()), 1))
    tolerance = 1e-11 if dtype == np.float64 else 2e-4
    agree(ran(cuda, point, dtype), ran(get_backend("cpu"), point, dtype), tolerance)


@pytest.mark.parametrize(("name", "case", "dtype"), [point for point in POINTS if not point[0].startswith(INDRNN)])
def test_the_device_computes_what_the_cpu_does(cuda, name, case, dtype):
    compare(cuda, name, case, dtype)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("units", [4, 20], ids=["resident", "step by step"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "identity", "modrelu", "complex-modrelu"])
def test_every_activation_both_ways(cuda, activation, units, ragged):
    sizes = {"input_size": 2, "output_size": 3, "layers": 1, "hidden_size": units, "readout": "every"}
    model = registry.models.get("rnn")(**sizes, activation=activation)
    point = draw_point(model, dataclasses.replace(BY_NAME["recurrence"], ragged=ragged), (units, ragged))
    assert resident.fits(cuda.xp, units, np.dtype(np.float64)) == (units == 4)
    agree(ran(cuda, point, np.float64), ran(get_backend("cpu"), point, np.float64), 1e-11)


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_states_computed_again_on_the_device(cuda, name, readout):
    model = registry.models.get(name)(input_size=2, output_size=3, hidden_size=4, readout=readout)
    point = draw_point(model, dataclasses.replace(BY_NAME["ragged"], steps=9), (9,))
    wanted = ran(cuda, point, np.float64)
    agree(ran(cuda, point, np.float64, bptt_checkpoint=2), wanted, 1e-12)


def test_more_units_than_shared_memory_holds(cuda):
    model = registry.models.get("eurnn")(input_size=2, output_size=3, hidden_size=64, capacity=2)
    point = draw_point(model, BY_NAME["recurrence"], (1,))
    with pytest.raises(BackendError, match=r"rotations of 64 units .* at most 37 units in float64"):
        ran(cuda, point, np.float64)
