"""lstm, gru and rnn against torch.nn.LSTM, GRU and RNN: outputs, last states and every gradient, several layers.

PyTorch is no dependency of the project; where it is missing these tests say so and are skipped.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[bench]')")

from gated_points import found  # noqa: E402
from network_points import in_float32  # noqa: E402

from npr import build  # noqa: E402
from npr.gradcheck_cases import Case, Point, draw_point  # noqa: E402

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}
MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
# Rows of the peer's matrices: our prefixes in its order.
GATES = {"lstm": ("i.", "f.", "g.", "o."), "gru": ("r.", "z.", "n."), "rnn": ("",)}
OPTIONS = {"lstm": {"two_biases": True}}
# T, B, D, N, layers.
SIZES = [(9, 7, 3, 5, 2), (1, 1, 1, 1, 1), (30, 17, 2, 33, 3), (4, 3, 19, 64, 2)]


def point_of(name: str, sizes: tuple[int, ...]) -> Point:
    times, batch, inputs, units, layers = sizes
    widths = {"input_size": inputs, "output_size": 4, "hidden_size": units, "layers": layers}
    model = build(name, **widths, readout="every", **OPTIONS.get(name, {}))
    return draw_point(model, Case("torch", steps=times, batch=batch, carried=True), (23, *name.encode()))


def places(name: str, layer: int) -> dict[str, tuple[str, int]]:
    """Where our parameters of a layer stand in the peer: name of its parameter and number of the gate."""
    W_rec = "recurrent.W" if name == "rnn" else "W_rec"
    kinds = {"W_in": "weight_ih", W_rec: "weight_hh", "bias": "bias_ih", "bias_rec": "bias_hh"}
    return {
        f"layers.{layer}.{gate}{own}": (f"{theirs}_l{layer}", number)
        for number, gate in enumerate(GATES[name])
        for own, theirs in kinds.items()
    }


def by_torch(name: str, point: Point) -> dict[str, np.ndarray]:
    """All results of autograd under our names. A second bias that we do not have is zero there."""
    m, dtype = point.model, torch.from_numpy(point.x).dtype
    module = MODULES[name](m.input_size, m.hidden_size, m.layers, dtype=dtype)
    readout = torch.nn.Linear(m.hidden_size, m.output_size, dtype=dtype)
    where = {k: v for layer in range(m.layers) for k, v in places(name, layer).items() if k in point.params}
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        for key, (theirs, gate) in where.items():
            rows = slice(gate * m.hidden_size, (gate + 1) * m.hidden_size)
            getattr(module, theirs)[rows].copy_(torch.tensor(point.params[key].T.copy()))
        readout.weight.copy_(torch.tensor(point.params["readout.W"].T.copy()))
        readout.bias.copy_(torch.tensor(point.params["readout.bias"]))
    x = torch.tensor(point.x, requires_grad=True)
    starts = [torch.tensor(state, requires_grad=True) for state in point.state]
    parts = [torch.stack(part) for part in zip(*(s.split(m.hidden_size, dim=1) for s in starts), strict=True)]
    steps, last = module(x, tuple(parts) if name == "lstm" else parts[0])
    finals = torch.cat(last, dim=2) if name == "lstm" else last
    output = readout(steps)
    loss = (output * torch.tensor(point.d_output, dtype=dtype)).sum()
    loss = loss + sum((h * torch.tensor(d, dtype=dtype)).sum() for h, d in zip(finals, point.d_state, strict=True))
    loss.backward()
    results = {"output": output, "d x": x.grad}
    results |= {f"final.{i}": state for i, state in enumerate(finals)}
    results |= {f"d state.{i}": state.grad for i, state in enumerate(starts)}
    named = {key: getattr(module, theirs).grad.split(m.hidden_size)[gate] for key, (theirs, gate) in where.items()}
    named |= {"readout.W": readout.weight.grad, "readout.bias": readout.bias.grad}
    arrays = {key: value.detach().numpy() for key, value in results.items()}
    return arrays | {f"d {key}": value.numpy().T for key, value in named.items()}


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "x".join(map(str, sizes)))
@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_gradients_are_those_of_torch(name: str, sizes: tuple[int, ...], dtype: str) -> None:
    point = point_of(name, sizes)
    given = in_float32(point) if dtype == "float32" else point
    got, wanted = found(given), by_torch(name, given)
    assert got.keys() == wanted.keys()
    for key, value in wanted.items():
        assert got[key].shape == value.shape, key
        assert np.abs(got[key] - value).max() <= TOLERANCE[dtype] * max(np.abs(value).max(), 1e-2), key
