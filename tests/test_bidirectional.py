"""Stacks in both directions against one-directional networks that read the sequences turned around."""

from __future__ import annotations

import numpy as np
import pytest

import npr
from npr.backends import get_backend
from npr.context import Context
from npr.errors import ConfigError
from npr.training import resolve

SIZES = {"input_size": 3, "output_size": 2, "hidden_size": 4}
T, B = 7, 5
CPU = get_backend("cpu")


def turned(x, lengths):
    """Every sequence from its end; what comes after the end stays where it is."""
    out = x.copy()
    for b, length in enumerate(lengths):
        out[:length, b] = x[:length, b][::-1]
    return out


def one_way(model, params, layer, direction, x, state, lengths):
    """Outputs (T, B, N) and final state of one cell of one layer, by a network of its own."""
    width = x.shape[2]
    net = npr.build(model, input_size=width, output_size=4, hidden_size=4, readout="every")
    own, _ = net.init(np.random.default_rng(0), np.float64)
    for name in own:
        if name.startswith("layers."):
            own[name][...] = params[f"layers.{layer}.{direction}.{name.removeprefix('layers.0.')}"]
    own["readout.W"][...], own["readout.bias"][...] = np.eye(4), 0
    passed = net.forward(Context(CPU), own, {}, x, (state,), lengths)
    return passed.output, passed.state[0]


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("lengths", [None, [7, 3, 1, 6, 7]])
def test_both_directions(model, readout, lengths):
    net = npr.build(model, layers=2, readout=readout, bidirectional=True, **SIZES)
    rng = np.random.default_rng(3)
    params, buffers = net.init(rng, np.float64)
    x = rng.normal(size=(T, B, 3))
    ends = np.full(B, T) if lengths is None else np.array(lengths)
    state = tuple(rng.normal(size=(B, n)) for n in net.state_sizes())
    passed = net.forward(Context(CPU), params, buffers, x, state, None if lengths is None else ends)
    inside = (np.arange(T)[:, None] < ends)[:, :, None]
    y = x
    for layer in range(2):
        half = state[layer].shape[1] // 2
        ahead, end_ahead = one_way(model, params, layer, "forward", y, state[layer][:, :half], ends)
        seen, end_back = one_way(model, params, layer, "backward", turned(y, ends), state[layer][:, half:], ends)
        np.testing.assert_allclose(passed.state[layer], np.hstack([end_ahead, end_back]), atol=1e-12)
        y = np.concatenate([ahead, turned(seen, ends)], axis=2) * inside
        last = np.hstack([ahead[ends - 1, np.arange(B)], seen[ends - 1, np.arange(B)]])
    top = last if readout == "last" else y
    wanted = top @ params["readout.W"] + params["readout.bias"]
    np.testing.assert_allclose(passed.output, wanted if readout == "last" else wanted * inside, atol=1e-12)


def test_parameters_are_two_cells_for_each_layer():
    net = npr.build("gru", layers=2, bidirectional=True, **SIZES)
    params, _ = net.init(np.random.default_rng(0), np.float64)
    assert params["layers.1.backward.r.W_in"].shape == (8, 4)
    assert params["readout.W"].shape == (8, 2)
    assert net.decays("layers.1.backward.r.W_in")
    assert not net.decays("layers.1.backward.r.bias")


def test_orthogonal_parameters_keep_their_rate_in_both_directions():
    net = npr.build("exprnn", bidirectional=True, **SIZES)
    params, _ = net.init(np.random.default_rng(0), np.float64)
    found = [name for name in params if net.orthogonal(name)]
    assert [name.rpartition(".recurrent.")[0] for name in found] == ["layers.0.forward", "layers.0.backward"]


@pytest.mark.parametrize(
    ("task", "refused"), [({"task": "charlm"}, True), ({"task": "speech", "target": "next-frame"}, True),
                          ({"task": "speech"}, False), ({"task": "smnist"}, False)],
)  # fmt: skip
def test_no_reader_from_the_end_where_the_next_input_is_wanted(task, refused):
    flags = {"model": "lstm", "preset": "none", "bidirectional": True, **task}
    if not refused:
        assert resolve(flags).build().model.bidirectional
        return
    with pytest.raises(ConfigError, match="what a reader from the end has seen"):
        resolve(flags)
