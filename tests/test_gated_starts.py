"""LSTM and GRU networks before their first update: parameter counts, initial values, decay, refused options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gated_points import VARIANTS

from npr import build, params
from npr.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "sizes", "options", "wanted"),
    [
        # Two layers of 50 above an embedding of 50 units; with the embedding's 65 x 50 they make 47,365.
        ("lstm", (50, 65, 50), {"layers": 2, "two_biases": True}, 47_365 - 65 * 50),
        ("lstm", (65, 65, 128), {"layers": 2, "two_biases": True}, 240_321),
        ("lstm", (3, 2, 5), {}, 4 * (15 + 25 + 5) + 12),
        ("lstm", (3, 2, 5), {"peephole": True}, 4 * (15 + 25 + 5) + 25 + 12),
        ("gru", (3, 2, 5), {}, 3 * (15 + 25 + 5) + 5 + 12),
        ("gru", (3, 2, 5), {"reset": "before"}, 3 * (15 + 25 + 5) + 12),
    ],
)
def test_parameter_counts(name: str, sizes: tuple, options: dict, wanted: int) -> None:
    inputs, outputs, units = sizes
    model = build(name, input_size=inputs, output_size=outputs, hidden_size=units, **options)
    named, _ = model.init(np.random.default_rng(0))
    assert params.count(named) == wanted


def test_the_two_layers_of_the_published_character_model() -> None:
    named = initial("lstm", input_size=50, hidden_size=50, layers=2, two_biases=True)
    assert sum(value.size for key, value in named.items() if key.startswith("layers.")) == 40_800


def initial(name: str, **options: Any) -> params.Params:
    sizes = {"input_size": 60, "output_size": 30, "hidden_size": 200}
    return build(name, **sizes | options).init(np.random.default_rng(5), np.float64)[0]


def assert_uniform(value: np.ndarray, bound: float, name: str, middle: float = 0.0) -> None:
    assert 0.85 * bound < np.abs(value - middle).max() <= bound, name
    assert np.abs((value - middle).mean()) < 4 * bound / np.sqrt(3 * value.size), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_initial_values_are_those_of_torch(variant: str) -> None:
    name, options = VARIANTS[variant]
    for key, value in initial(name, output_size=300, **options).items():
        assert_uniform(value, 200**-0.5, key)


@pytest.mark.parametrize("two_biases", [False, True])
def test_forget_bias_is_one_bias_of_the_forget_gate(two_biases: bool) -> None:
    without, given = (initial("lstm", two_biases=two_biases, forget_bias=bias) for bias in (0.0, 1.5))
    moved = {key for key in given if not np.array_equal(given[key], without[key])}
    assert moved == {"layers.0.f.bias"}
    assert (given["layers.0.f.bias"] == 1.5).all()


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_char_rnn_draws_all_from_one_range(name: str) -> None:
    inits = dict.fromkeys(("w_init", "recurrent_init", "bias_init", "readout_init"), "uniform-0.08")
    for key, value in initial(name, **inits).items():
        assert_uniform(value, 0.08, key)


@pytest.mark.parametrize(("name", "gates"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_joint_init_is_that_of_one_matrix_for_input_and_state(name: str, gates: str) -> None:
    # nnRNN_release, LSTM.py: a linear layer of D + N inputs for each gate, xavier_normal, the biases torch's.
    named = initial(name, joint_init=True, w_init="glorot-normal", bias_init="fan-in")
    for gate in gates:
        for key in (f"layers.0.{gate}.W_in", f"layers.0.{gate}.W_rec"):
            spread = np.sqrt(2 / (60 + 200 + 200))
            assert named[key].std() == pytest.approx(spread, rel=4 / np.sqrt(2 * named[key].size)), key
    for key in named:
        if key.startswith("layers.") and "bias" in key:
            assert_uniform(named[key], 260**-0.5, key)


@pytest.mark.parametrize(("variant", "gates"), [("lstm-both", "ifgo"), ("gru", "rzn")])
def test_matrices_decay_and_biases_do_not(variant: str, gates: str) -> None:
    name, options = VARIANTS[variant]
    model = build(name, input_size=2, output_size=3, hidden_size=4, **options)
    named, _ = model.init(np.random.default_rng(0))
    decaying = {key.removeprefix("layers.0.") for key in named if model.decays(key)}
    matrices = {f"{gate}.{part}" for gate in gates for part in ("W_in", "W_rec")}
    assert decaying == matrices | {"readout.W"} | ({"peephole"} if "peephole" in options else set())
    assert not any(model.orthogonal(key) for key in named)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gru", {"reset": "middle"}, "reset = 'middle'"),
        ("gru", {"update": "both"}, "update = 'both'"),
        ("gru", {"recurrent_init": "glorot"}, "recurrent_init = 'glorot'"),
        ("lstm", {"recurrent_init": "glorot"}, "recurrent_init = 'glorot'"),
        ("lstm", {"forget_bias": float("nan")}, "forget_bias = nan"),
        ("lstm", {"readout": "first"}, "readout = 'first'"),
        ("lstm", {"dropout": 1.0}, "dropout = 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, input_size=1, output_size=2, **options)
    assert message in str(caught.value)
