"""The Recurrent Residual Network: its readings against networks of their nodes, sizes, the collapsed chain."""

from __future__ import annotations

import numpy as np
import pytest

import npr
from npr.backends import get_backend
from npr.context import Context
from npr.errors import ConfigError
from npr.layers.chain import Chain
from npr.params import count

CPU = get_backend("cpu")
T, B = 6, 5


def network(**options):
    return npr.build("rrn", **{"input_size": 4, "output_size": 3, "hidden_size": 4, "readout": "every", **options})


def node(params, prefix, x, state, units):
    """Outputs of one LSTM node, by a network of its own with the same parameters."""
    net = npr.build(
        "lstm", input_size=x.shape[2], output_size=units, hidden_size=units, readout="every", two_biases=True
    )
    own, _ = net.init(np.random.default_rng(0), np.float64)
    for name in own:
        if name.startswith("layers."):
            own[name][...] = params[prefix + name.removeprefix("layers.0.")]
    own["readout.W"][...], own["readout.bias"][...] = np.eye(units), 0
    return net.forward(Context(CPU), own, {}, x, (state,)).output


def step_by_step(params, name, value):
    """The chain as the manuscript would run it, one map after the other at every step."""
    k = 0
    while f"{name}.{k}.W" in params:
        value = value @ params[f"{name}.{k}.W"] + params[f"{name}.{k}.bias"]
        k += 1
    return value


def shortcut(params, name, x):
    W = params.get(f"{name}.W")
    return x if W is None else x @ W + params[f"{name}.bias"]


@pytest.mark.parametrize("reading", ["published", "stacked", "span", "identity"])
@pytest.mark.parametrize("inputs", [4, 2])
def test_every_reading(reading, inputs):
    net = network(reading=reading, widths="5,5", input_size=inputs)
    rng = np.random.default_rng(1)
    params, _ = net.init(rng, np.float64)
    for value in params.values():
        value[...] = rng.normal(size=value.shape)
    x = rng.normal(size=(T, B, inputs))
    state = tuple(rng.normal(size=(B, size)) for size in net.state_sizes())
    units = [size // 2 for size in net.state_sizes()]
    y = h = x
    entered = x
    for i, size in enumerate(units):
        last = reading != "span" or i % 2 == 1 or i == len(units) - 1
        h = node(params, f"layers.{i}.", h, state[i], size)
        if not last:
            continue
        out = step_by_step(params, f"layers.{i}.chain", h) if reading == "published" else h
        y = h = entered = out + shortcut(params, f"layers.{i}.shortcut", entered)
    passed = net.forward(Context(CPU), params, {}, x, state)
    np.testing.assert_allclose(passed.output, y @ params["readout.W"] + params["readout.bias"], atol=1e-10)


def test_a_chain_is_the_same_as_its_maps_and_so_are_its_gradients():
    chain, rng = Chain((3, 5, 2, 4)), np.random.default_rng(2)
    params = chain.init(rng, "uniform-0.08", "uniform-0.08")
    x, g = rng.normal(size=(7, 3)), rng.normal(size=(7, 4))
    whole = chain.collapse(params)
    np.testing.assert_allclose(
        x @ whole.whole["W"] + whole.whole["bias"], step_by_step({f"c.{k}": v for k, v in params.items()}, "c", x)
    )
    found = chain.expand(whole, {"W": x.T @ g, "bias": g.sum(0)})
    assert found.keys() == params.keys()
    values = [x]
    for k in range(3):
        values.append(values[-1] @ params[f"{k}.W"] + params[f"{k}.bias"])
    for k in reversed(range(3)):
        np.testing.assert_allclose(found[f"{k}.W"], values[k].T @ g, atol=1e-12)
        np.testing.assert_allclose(found[f"{k}.bias"], g.sum(0), atol=1e-12)
        g = g @ params[f"{k}.W"].T


@pytest.mark.parametrize(
    ("reading", "parameters"), [("published", 796_245), ("stacked", 5_019_095), ("identity", 47_365)]
)
def test_published_sizes(reading, parameters):
    """With an embedding of 65 symbols in 50 numbers; independent-and-residual family, section 4.5."""
    net = npr.build("rrn", input_size=50, output_size=65, reading=reading)
    params, _ = net.init(np.random.default_rng(0))
    assert count(params) + 65 * 50 == parameters


@pytest.mark.parametrize("cell", ["gru", "rnn", "irnn", "exprnn", "nnrnn"])
def test_any_cell_can_be_the_node(cell):
    net = network(node=cell, reading="identity")
    params, buffers = net.init(np.random.default_rng(0))
    x = np.ones((T, B, 4), np.float32)
    assert net.forward(Context(CPU), params, buffers, x).output.shape == (T, B, 3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"widths": "80,,50"}, "widths"),
        ({"widths": "0"}, "widths"),
        ({"reading": "long"}, "reading"),
        ({"node": "mlp"}, "node"),
    ],
)
def test_bad_options(options, named):
    with pytest.raises(ConfigError, match=named):
        network(**options)
