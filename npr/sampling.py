"""Text from a trained character model: one symbol after another, each read again before the next.

run = open_run("runs/0001-rnn-charlm")
text = run.vocabulary.decode(symbols(run, run.vocabulary.encode("ROMEO:"), np.random.default_rng(1), length=200))
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from npr.backends import get_backend
from npr.context import Context, Model, State
from npr.errors import ConfigError
from npr.fields import whole, within
from npr.networks.explicit import explicit
from npr.params import Array
from npr.tasks.text import Sizes
from npr.tasks.vocabulary import Vocabulary
from npr.training.checkpoint import load, step_of
from npr.training.history import Checkpoints
from npr.training.parts import Weights
from npr.training.run_folder import read_about, read_config
from npr.training.run_lookup import find_run
from npr.training.state import stored_weights


@dataclass(frozen=True)
class Choice:
    """How the next symbol is chosen.

    Parameters
    ----------
    temperature : float
        What log-probabilities are divided by; 0 takes the most probable symbol.
    top_k : int
        Only so many of the most probable symbols can be drawn; 0 for all.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    temperature: float = 1.0
    top_k: int = 0

    def __post_init__(self) -> None:
        within("[0, 1e9]", temperature=self.temperature)
        whole("[0, 1e9]", top_k=self.top_k)

    def draw(self, rng: np.random.Generator, scores: Array) -> int:
        """A symbol from its scores (V,): log-probabilities up to a constant."""
        if not self.temperature:
            return int(scores.argmax())
        scaled = (scores.astype(np.float64) - scores.max()) / self.temperature
        if 0 < self.top_k < len(scaled):
            # Stable, so that of equal scores the lower number stays.
            scaled[np.argsort(-scaled, kind="stable")[self.top_k :]] = -np.inf
        total = np.exp(scaled).cumsum()
        drawn, last = np.searchsorted(total, rng.random() * total[-1], "right"), np.searchsorted(total, total[-1])
        # The product may round up to the total: then it is the last symbol that has any weight.
        return int(min(drawn, last))


class Trained(NamedTuple):
    """A network with its weights and the symbols that it speaks."""

    model: Model
    weights: Weights
    vocabulary: Vocabulary
    backend: Any


def open_run(run: str | os.PathLike[str], threads: int = 1) -> Trained:
    """The state of a run that validated best, or that of one checkpoint; the run's data is not needed.

    Parameters
    ----------
    run : path
        A run folder, its number or name below ./runs, or a checkpoint folder.
    threads : int
        CPU threads.

    Raises
    ------
    ConfigError
        If there is no such run, or it was not trained on a text.
    StorageError
        If no checkpoint is sound.
    """
    single = step_of(Path(run)) >= 0
    path = Path(run).parent.parent if single else find_run(run)
    config, about = read_config(path), read_about(path)
    table = about.get("dataset", {}).get("vocabulary")
    if table is None:
        raise ConfigError(f"'{path}' was trained on {config.train.task}, which is no text: there is nothing to sample.")
    vocabulary = Vocabulary(**table)
    model = config.build(Sizes(vocabulary)).model
    stored = load(Path(run)) if single else Checkpoints(path).newest()[1]
    weights = stored_weights(model, stored, np.dtype(config.train.dtype).type, best=not single)
    model, *arrays = explicit(model, *weights)
    return Trained(model, Weights(*arrays), vocabulary, get_backend("cpu", threads=threads))


def symbols(
    trained: Trained,
    prime: Sequence[int],
    rng: np.random.Generator,
    length: int | None = None,
    choice: Choice = Choice(),
) -> Iterator[int]:
    """The symbols that follow `prime`.

    Parameters
    ----------
    trained : Trained
        Who speaks.
    prime : sequence of int
        Symbols that are read first; without any the first symbol is drawn uniformly.
    rng : Generator
        Source of the draws.
    length : int, optional
        How many; for ever if not given.
    choice : Choice
        How the next one is chosen.

    Source: sample.lua of karpathy/char-rnn.
    """
    state: State | None = None
    read, said = list(prime), 0
    while length is None or said < length:
        if read:
            scores, state = _read(trained, read, state)
            read = [choice.draw(rng, scores)]
        else:
            read = [int(rng.integers(len(trained.vocabulary)))]
        said += 1
        yield read[0]


def _read(trained: Trained, read: list[int], state: State | None) -> tuple[Array, State]:
    """Scores (V,) of what comes after the symbols `read`, and the state they leave."""
    context = Context(trained.backend, norm="running", norm_weight=0.0)
    x = np.array(read, np.int64)[:, None]
    out = trained.model.forward(context, *trained.weights, x, state)
    return out.output[-1, 0], out.state
