"""Names and order of weights in other libraries: the same function of the input under our names, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle_weight_maps import RNG, Arrays, D, N, O, foreign, ours, theirs

from npr.errors import ConfigError
from npr.interop import resrnn, stack
from npr.interop.biases import joined
from npr.interop.layouts import LAYOUTS, recognise
from npr.interop.network import NotExpressible
from npr.interop.stack import CONVENTIONS, from_npr, to_npr


def single(params: Arrays) -> list[str]:
    """Names of a model with one bias for each gate, and two for the candidate of GRU."""
    return [name for name in params if not name.endswith("bias_rec") or name.endswith("n.bias_rec")]


@pytest.mark.parametrize("biases", ["apart", "summed"])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_function_stays_the_same(name: str, biases: str) -> None:
    arrays = foreign(name)
    params = to_npr(CONVENTIONS[name], arrays).params
    if biases == "summed":
        params = joined(params, single(params), CONVENTIONS[name].apart)
        assert [key for key in params if key.endswith("bias_rec")] == (
            ["layers.0.n.bias_rec", "layers.1.n.bias_rec"] if name == "torch-gru" else []
        )
    np.testing.assert_allclose(ours(params), theirs(name, arrays), rtol=1e-12)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_gates_are_not_interchangeable(name: str) -> None:
    """Were they, the test above would prove nothing."""
    params = to_npr(CONVENTIONS[name], foreign(name)).params
    for kind in ("W_in", "bias"):
        keys = [key for key in params if key.startswith("layers.0.") and key.endswith(f".{kind}")]
        if len(keys) > 1:
            first, second = keys[:2]
            changed = params | {first: params[second], second: params[first]}
            assert np.abs(ours(changed) - ours(params)).max() > 1e-3


@pytest.mark.parametrize("name", CONVENTIONS)
def test_recognised_with_sizes(name: str) -> None:
    found, network = recognise(foreign(name))
    assert found == name
    assert (network.options["hidden_size"], network.options["layers"]) == (N, 2)
    assert (network.input_size, network.output_size) == (D, O)


@pytest.mark.parametrize("name", [name for name in CONVENTIONS if name != "chainer-lstm"])
def test_there_and_back(name: str) -> None:
    convention = CONVENTIONS[name]
    params = to_npr(convention, foreign(name)).params
    again = to_npr(convention, from_npr(convention, params)).params
    assert again.keys() == params.keys()
    assert all(np.array_equal(again[key], params[key]) for key in params)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_back_and_there_with_one_bias(name: str) -> None:
    convention = CONVENTIONS[name]
    params = to_npr(convention, foreign(name)).params
    params = joined(params, single(params), convention.apart)
    written = from_npr(convention, params)
    assert all(value.flags.c_contiguous for value in written.values())
    again = to_npr(convention, written).params
    assert all(np.array_equal(value, params.get(key, 0 * value)) for key, value in again.items())
    np.testing.assert_allclose(ours(again), ours(params), rtol=1e-12)


def test_an_embedding_is_folded_into_the_first_layer_and_said() -> None:
    arrays = foreign("chainer-lstm")
    arrays["embed.W"] = np.ones((9, D))
    network = to_npr(CONVENTIONS["chainer-lstm"], arrays)
    assert network.input_size == 9
    assert "(9, 2) was multiplied into W_in" in network.notes[0]


def test_a_cell_without_biases() -> None:
    arrays = {key: value for key, value in foreign("torch-rnn").items() if "bias_" not in key}
    network = to_npr(CONVENTIONS["torch-rnn"], arrays)
    assert network.options["rec_bias"] is False
    assert sorted(from_npr(CONVENTIONS["torch-rnn"], network.params)) == [
        *("readout.bias", "readout.weight", "rnn.weight_hh_l0", "rnn.weight_hh_l1"),
        *("rnn.weight_ih_l0", "rnn.weight_ih_l1"),
    ]


def test_a_readout_without_bias_gets_zeros() -> None:
    arrays = foreign("torch-lstm")
    del arrays["head.fc.bias"]
    assert not to_npr(CONVENTIONS["torch-lstm"], arrays).params["readout.bias"].any()


def without(name: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if name not in key}


FAULTS: dict[str, tuple[Callable[[Arrays], Any], str]] = {
    "input weights missing": (without("weight_ih_l1"), "lacks the tensor 'net.lstm.weight_ih_l1'"),
    "readout missing": (without("fc"), "lacks the tensor '<readout>.weight'.*It holds nothing"),
    "two readouts": (lambda a: a | {"second.weight": np.ones((2, N))}, "lacks the tensor '<readout>.weight'"),
    "layer norm": (lambda a: a | {"norm.gain": np.ones(N)}, r"no place for 'norm\.gain' \(4,\)"),
    "both directions": (
        lambda a: a | {"net.lstm.weight_ih_l0_reverse": np.ones((4 * N, D))},
        "no place for 'net.lstm.weight_ih_l0_reverse'",
    ),
    "input of another width": (
        lambda a: a | {"net.lstm.weight_ih_l1": np.ones((4 * N, N + 1))},
        r"shape \(16, 5\), expected \(16, 4\)",
    ),
    "bias of another width": (lambda a: a | {"net.lstm.bias_hh_l0": np.ones(N)}, r"shape \(4,\), expected \(16\)"),
    "readout of another width": (lambda a: a | {"head.fc.weight": np.ones((O, N + 1))}, r"expected \(any, 4\)"),
    "whole numbers": (lambda a: a | {"head.fc.bias": np.ones(O, np.int64)}, "holds int64, expected float"),
    "projections": (
        lambda a: a | {"net.lstm.weight_hh_l0": np.ones((4 * N, 3)), "net.lstm.weight_hr_l0": np.ones((3, N))},
        "an LSTM with projections",
    ),
    "two modules": (lambda a: a | {"other.weight_hh_l0": np.ones((4 * N, N))}, "2 recurrent modules"),
    "five blocks": (
        lambda a: a | {"net.lstm.weight_hh_l0": np.ones((5 * N, N))},
        r"weight_hh_l0' \(20, 4\).*none of the layouts[\s\S]*torch\.nn\.GRU with a linear readout: weight_ih",
    ),
    "something else": (lambda a: {"conv1.weight": np.ones((3, 3))}, r"'conv1\.weight' \(3, 3\), which is none"),
    "nothing": (lambda a: {}, "The file holds nothing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named(fault: str) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(ConfigError, match=message):
        recognise(change(foreign("torch-lstm")))


def test_what_torch_has_no_place_for() -> None:
    params = to_npr(CONVENTIONS["torch-gru"], foreign("torch-gru")).params
    del params["layers.1.n.bias_rec"]
    with pytest.raises(NotExpressible, match="gate 'n' has no bias of its own"):
        from_npr(CONVENTIONS["torch-gru"], params)
    params = to_npr(CONVENTIONS["torch-lstm"], foreign("torch-lstm")).params
    with pytest.raises(NotExpressible, match=r"no place for layers\.0\.o\.W_peep"):
        from_npr(CONVENTIONS["torch-lstm"], params | {"layers.0.o.W_peep": np.ones((N, N))})


def res_rnn(size: int = 6, state: int = 4) -> Arrays:
    shapes = {"initial_state": (state,), "res.fc1.weight": (size, size), "res.fc1.bias": (size,)}
    shapes |= {"res.fc2.weight": (size, size), "res.fc2.bias": (size,)}
    return {name: RNG.normal(size=shape) for name, shape in shapes.items()}


def test_resrnn_is_transposed() -> None:
    arrays = res_rnn()
    name, network = recognise(arrays)
    assert (name, network.input_size, network.output_size, network.options) == ("resrnn", 2, None, {"hidden_size": 4})
    r = RNG.normal(size=(3, 6))
    stream = np.maximum(r @ arrays["res.fc1.weight"].T + arrays["res.fc1.bias"], 0) @ arrays["res.fc2.weight"].T
    W1, b1, W2 = (network.params[resrnn.PREFIX + key] for key in ("W1", "b1", "W2"))
    np.testing.assert_allclose(np.maximum(r @ W1 + b1, 0) @ W2, stream, rtol=1e-12)
    again = resrnn.from_npr(network.params)
    assert list(again) == list(arrays)
    assert all(np.array_equal(again[key], arrays[key]) and again[key].flags.c_contiguous for key in arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"res.fc2.weight": np.ones((6, 5))}, r"expected \(6, 6\)"),
        ({"res.fc1.bias": np.ones(5)}, r"expected \(6\)"),
        ({"res.fc3.bias": np.ones(5)}, "no place for 'res.fc3.bias'"),
    ],
)
def test_resrnn_of_another_shape(change: Arrays, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recognise(res_rnn() | change)


def test_every_convention_is_a_layout() -> None:
    assert set(LAYOUTS) == {"npr", "resrnn", *stack.CONVENTIONS}
