"""Text from a trained run: how a symbol is chosen, what a prime does, W_rec written out."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_text
from watching import newest

from npr import build, registry
from npr.backends import get_backend
from npr.context import Context
from npr.errors import ConfigError
from npr.networks.explicit import explicit
from npr.networks.recurrent import DenseNetwork
from npr.sampling import Choice, Trained, open_run, symbols
from npr.training import fit

SCORES = np.array([1.0, 3.0, 2.0, 3.0, -1.0])


def shares(choice: Choice, count: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.bincount([choice.draw(rng, SCORES) for _ in range(count)], minlength=5) / count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_symbols_are_drawn_by_their_probability(temperature: float) -> None:
    wanted = np.exp(SCORES / temperature)
    np.testing.assert_allclose(shares(Choice(temperature)), wanted / wanted.sum(), atol=0.012)


def test_only_the_most_probable_are_drawn() -> None:
    wanted = np.exp(SCORES) * [0, 1, 1, 1, 0]
    np.testing.assert_allclose(shares(Choice(top_k=3)), wanted / wanted.sum(), atol=0.012)
    # Of the two that share the first place the one with the lower number stays.
    assert shares(Choice(top_k=1), 50).tolist() == [0, 1, 0, 0, 0]
    np.testing.assert_array_equal(shares(Choice(top_k=99), 500), shares(Choice(), 500))


def test_no_temperature_takes_the_most_probable() -> None:
    assert shares(Choice(0.0), 50).tolist() == [0, 1, 0, 0, 0]


def test_a_symbol_without_weight_is_never_drawn() -> None:
    class Highest:
        def random(self) -> float:
            return 1.0 - 2.0**-53

    assert Choice(top_k=3).draw(Highest(), SCORES) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_k": -1}])
def test_choices_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        Choice(**options)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs whose text is deleted after training, made when they are asked for."""
    done: dict[str, Path] = {}

    def run(model: str, **flags: Any) -> Path:
        if model not in done:
            folder = tmp_path_factory.mktemp(model)
            text = tiny_text.write(folder)
            fit(tiny_text.config(text, model=model, steps=12, lr=0.02, **flags), run=folder / "run")
            text.unlink()
            done[model] = folder / "run"
        return done[model]

    return run


MODELS = ["rnn", "exprnn", "nnrnn", "eurnn", "indrnn"]


@pytest.mark.parametrize("model", MODELS)
def test_the_most_probable_text_follows_from_whole_passes(runs: Any, model: str) -> None:
    """Each symbol from a pass over all symbols before it, by the network as it was trained."""
    path = runs(model)
    trained = open_run(path)
    prime = trained.vocabulary.encode("to be or ")
    said = list(symbols(trained, prime, np.random.default_rng(0), 12, Choice(0.0)))
    kind = registry.models.get(model)
    config = tiny_text.config(Path("gone.txt"), model=model)
    sizes = {"input_size": len(trained.vocabulary), "output_size": len(trained.vocabulary), "readout": "every"}
    whole = kind(**{**config.parts["model"], **sizes})
    stored = newest(path).tensors
    params, buffers = (
        {name.removeprefix(start): value for name, value in stored.items() if name.startswith(start)}
        for start in ("best/params/", "best/buffers/")
    )
    context = Context(get_backend("cpu"), norm="running", norm_weight=0.0)
    read = list(prime)
    for symbol in said:
        scores = whole.forward(context, params, buffers, np.array(read)[:, None]).output[-1, 0]
        best = np.sort(scores)
        assert scores[symbol] == best[-1] or best[-1] - scores[symbol] < 1e-4
        read.append(symbol)


def test_the_seed_decides(runs: Any) -> None:
    trained = open_run(runs("rnn"))
    texts = [list(symbols(trained, [1], np.random.default_rng(seed), 30)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_without_a_prime_the_first_symbol_is_uniform(runs: Any) -> None:
    trained = open_run(runs("rnn"))
    rng = np.random.default_rng(0)
    first = [next(symbols(trained, [], rng)) for _ in range(3000)]
    counts = np.bincount(first, minlength=len(trained.vocabulary)) / 3000
    np.testing.assert_allclose(counts, 1 / len(trained.vocabulary), atol=0.02)


def test_symbols_have_no_end_unless_told(runs: Any) -> None:
    trained = open_run(runs("rnn"))
    assert len(list(islice(symbols(trained, [0], np.random.default_rng(0)), 70))) == 70
    assert list(symbols(trained, [0], np.random.default_rng(0), 0)) == []


def test_one_checkpoint_speaks_for_itself(runs: Any) -> None:
    path = runs("rnn")
    checkpoint = path / (path / "latest").read_text().strip()
    own = open_run(checkpoint).weights.params
    stored = newest(path).tensors
    assert all((value == stored[f"params/{name}"]).all() for name, value in own.items() if "recurrent" not in name)


DENSE = [name for name in registry.models.names() if issubclass(registry.models.get(name), DenseNetwork)]


@pytest.mark.parametrize("name", DENSE)
def test_a_written_out_matrix_makes_the_same_network(name: str) -> None:
    model = build(name, input_size=5, output_size=5, hidden_size=6, layers=2, readout="every", embedding_size=3)
    params, buffers = model.init(np.random.default_rng(0), np.float64)
    plain, *weights = explicit(model, params, buffers)
    context, x = Context(get_backend("cpu")), np.random.default_rng(1).integers(0, 5, (9, 4))
    np.testing.assert_allclose(
        plain.forward(context, *weights, x).output, model.forward(context, params, buffers, x).output, atol=1e-13
    )


def test_a_trained_network_is_a_tuple_of_what_it_needs(runs: Any) -> None:
    assert Trained._fields == ("model", "weights", "vocabulary", "backend")
    assert open_run(runs("rnn")).vocabulary.kind == "characters"
