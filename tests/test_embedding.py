"""Symbols as inputs: looked up, one-hot, tied to the readout, dropped; each against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from npr import build, registry
from npr.backends import get_backend
from npr.context import Context
from npr.errors import ConfigError
from npr.kernels.embedding import scatter_add
from npr.layers.embedding import SymbolOptions
from npr.params import pack

SYMBOLS, TIMES, BATCH = 6, 7, 21
RNG = np.random.default_rng(4)
X = RNG.integers(0, SYMBOLS, (TIMES, BATCH))
NAMES = [name for name in registry.models.names() if issubclass(registry.models.get(name), SymbolOptions)]


def network(name: str = "rnn", **options: Any) -> Any:
    sizes = {"hidden_size": 4, "growth": 1, "blocks": "1,1" if name == "indrnn-dense" else 1, "norm": "none"}
    kind = registry.models.get(name)
    own = {key: value for key, value in sizes.items() if key in kind.__dataclass_fields__}
    return build(name, **{"input_size": SYMBOLS, "output_size": SYMBOLS, "readout": "every", **own, **options})


def passes(model: Any, params: Any, buffers: Any, x: np.ndarray, **context: Any) -> tuple[Any, Any]:
    ctx = Context(get_backend("cpu"), **context)
    out = model.forward(ctx, params, buffers, x)
    slope = np.random.default_rng(5).normal(size=out.output.shape)
    return out, model.backward(ctx, params, out.cache, slope)


@pytest.mark.parametrize("name", NAMES)
def test_symbols_without_an_embedding_are_unit_vectors(name: str) -> None:
    model = network(name)
    params, buffers = model.init(np.random.default_rng(0), np.float64)
    out, back = passes(model, params, buffers, X)
    wanted, gradients = passes(model, params, buffers, np.eye(SYMBOLS)[X])
    np.testing.assert_array_equal(out.output, wanted.output)
    assert back.x is None
    for key, value in gradients.params.items():
        np.testing.assert_array_equal(back.params[key], value)


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_is_a_network_that_reads_its_rows(name: str) -> None:
    model, inner = network(name, embedding_size=3), network(name, input_size=3)
    params, buffers = model.init(np.random.default_rng(0), np.float64)
    assert next(iter(params)) == "embedding.W"
    out, back = passes(model, params, buffers, X)
    rest = pack({key: value for key, value in params.items() if key != "embedding.W"})
    wanted, gradients = passes(inner, rest, buffers, params["embedding.W"][X])
    np.testing.assert_array_equal(out.output, wanted.output)
    scattered = np.zeros((SYMBOLS, 3))
    np.add.at(scattered, X, gradients.x)
    np.testing.assert_allclose(back.params["embedding.W"], scattered, atol=1e-13)
    for key, value in gradients.params.items():
        np.testing.assert_array_equal(back.params[key], value)


@pytest.mark.parametrize("name", [name for name in NAMES if registry.models.get(name).ties])
def test_a_tied_readout_is_the_embedding_transposed(name: str) -> None:
    untied = network(name)
    size = untied.readout_size()
    model, free = network(name, embedding_size=size, tied=True), network(name, embedding_size=size)
    params, buffers = model.init(np.random.default_rng(0), np.float64)
    assert "readout.W" not in params
    assert params["readout.bias"].shape == (SYMBOLS,)
    both = pack({**params, "readout.W": params["embedding.W"].T})
    out, back = passes(model, params, buffers, X)
    wanted, gradients = passes(free, both, buffers, X)
    np.testing.assert_allclose(out.output, wanted.output, atol=1e-14)
    total = gradients.params["embedding.W"] + gradients.params["readout.W"].T
    np.testing.assert_allclose(back.params["embedding.W"], total, atol=1e-13)
    assert back.params.keys() == params.keys()


def test_whole_rows_are_dropped_for_a_batch() -> None:
    model = network(embedding_size=3, dropout_embedding=0.5)
    params, buffers = model.init(np.random.default_rng(0), np.float64)
    kept = np.random.default_rng(1).random((SYMBOLS, 1), np.float32) >= 0.5
    assert 0 < kept.sum() < SYMBOLS
    out, back = passes(model, params, buffers, X, dropout=True, rng=np.random.default_rng(1))
    masked = pack({**params, "embedding.W": params["embedding.W"] * kept / 0.5})
    wanted, gradients = passes(network(embedding_size=3), masked, buffers, X)
    np.testing.assert_allclose(out.output, wanted.output, atol=1e-14)
    np.testing.assert_allclose(back.params["embedding.W"], gradients.params["embedding.W"] * kept / 0.5, atol=1e-13)
    off, _ = passes(model, params, buffers, X)
    np.testing.assert_array_equal(off.output, passes(network(embedding_size=3), params, buffers, X)[0].output)


def test_dropped_rows_need_a_generator() -> None:
    model = network(embedding_size=3, dropout_embedding=0.5)
    params, buffers = model.init(np.random.default_rng(0))
    with pytest.raises(ConfigError, match="random generator"):
        model.forward(Context(get_backend("cpu"), dropout=True), params, buffers, X)


def test_scatter_leaves_out_steps_behind_the_end() -> None:
    symbols, gx = RNG.integers(0, 5, (2, 6, 3)), RNG.normal(size=(2, 7, 3, 4))
    lengths = np.array([[6, 2, 0], [1, 6, 5]])
    out = np.zeros((5, 4))
    scatter_add(symbols, lengths, gx, out)
    wanted = np.zeros((5, 4))
    inside = np.arange(6)[None, :, None] < lengths[:, None, :]
    np.add.at(wanted, symbols[inside], gx[:, 1:][inside])
    np.testing.assert_allclose(out, wanted, atol=1e-13)


def test_the_embedding_is_drawn_as_told_and_decays() -> None:
    model = network(embedding_size=300, embedding_init="uniform-0.1")
    values = model.init(np.random.default_rng(0))[0]["embedding.W"]
    assert 0.099 < np.abs(values).max() <= 0.1
    assert model.decays("embedding.W")
    assert not model.orthogonal("embedding.W")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tied": True}, "tied = true needs an embedding"),
        ({"dropout_embedding": 0.5}, "needs an embedding"),
        ({"embedding_size": -1}, "embedding_size = -1"),
        ({"embedding_size": 3, "embedding_init": "tiny"}, "embedding_init = 'tiny'"),
        ({"embedding_size": 3, "dropout_embedding": 1.0}, "dropout_embedding = 1.0"),
        ({"embedding_size": 3, "tied": True}, "embedding_size = 3: the last layer has 4 units"),
        ({"embedding_size": 4, "tied": True, "output_size": 5}, "5 outputs stand for 6 symbols"),
    ],
)
@pytest.mark.parametrize("name", ["rnn", "indrnn", "indrnn-residual"])
def test_options_that_do_not_fit_are_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        network(name, **options)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.array([[0, 6]]), r"symbols 0\.\.6, wanted 0\.\.5"),
        (np.array([[-1]]), r"symbols -1"),
        (np.zeros((2, 3), np.float32), r"\(T, B\) of integers"),
        (np.zeros((2, 3, 6), np.int64), r"\(T, B\) of integers"),
    ],
)
def test_inputs_that_are_no_symbols_are_refused(x: np.ndarray, says: str) -> None:
    model = network()
    with pytest.raises(ValueError, match=says):
        model.forward(Context(get_backend("cpu")), *model.init(np.random.default_rng(0)), x)


def test_an_embedding_takes_no_numbers() -> None:
    model = network(embedding_size=3)
    x = np.zeros((2, 3, 6), np.float32)
    with pytest.raises(ValueError, match=r"x must be \(T, B\) of integers"):
        model.forward(Context(get_backend("cpu")), *model.init(np.random.default_rng(0)), x)


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_do_not_depend_on_threads(threads: int) -> None:
    model = network(embedding_size=3)
    params, buffers = model.init(np.random.default_rng(0))
    found = []
    for count in (1, threads):
        ctx = Context(get_backend("cpu", threads=count))
        out = model.forward(ctx, params, buffers, X)
        found.append(model.backward(ctx, params, out.cache, np.ones_like(out.output)).params["embedding.W"].tobytes())
    assert found[0] == found[1]


def test_a_network_without_a_readout_has_nothing_to_tie() -> None:
    with pytest.raises(ConfigError, match="no readout"):
        network("resrnn", embedding_size=6, tied=True)
