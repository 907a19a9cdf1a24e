"""What one update of a whole training is made of: data, parametrisation, products, loss, optimiser, rows, checkpoints.

    python benchmarks/pipeline.py [--cases exprnn-copy lstm-ptb] [--seconds 8] [--threads 2] [-o pipeline.json]

Each case trains as `npr train` does, with metrics.csv, for so many seconds; its functions are timed from outside.
"products" is all of a model's forward and backward pass without the parametrisation of the recurrent matrix: products
and recurrences, and what is fused with them. Rows and checkpoints, made more often than the configuration says to have
enough of them, count as often as it says; after each validation there is one checkpoint more, as if it were the best.
Validation stands apart: the seconds of one, and what it would add to an update. Goal: at most 15 % of an update is
not "products".

On a machine with other work, `--clock cpu --threads 1` takes processor time; waiting for a disk is not in it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import itertools
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import record
from stopwatch import REST, Stopwatch

from npr.bench import machine
from npr.errors import DataError
from npr.tasks.base import Batch
from npr.training import Silent, Step, fit, guard, resolve
from npr.training.evaluation import reestimated, score
from npr.training.parts import Parts, Weights, open_parts
from npr.training.trainer import Trainer

GOAL = 0.15
PRODUCTS, ROWS, SAVES = "products", "rows", "checkpoint"
PHASES = ("batch", "parametrisation", PRODUCTS, "loss", "optimiser", "guards", "hits", REST, ROWS, SAVES)
# A case has seconds, not hours: a few rows and checkpoints tell what one costs.
OFTEN = {"log_every": 10, "checkpoint_every": 20, "eval_every": 10**9, "csv": True}
WARM_UP, LEAST, BATCHES = 5, 20, 3
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
CASES: dict[str, dict[str, Any]] = {
    "indrnn-pmnist-laptop": {"model": "indrnn", "task": "pmnist", "preset": "laptop", "data": "mnist"},
    "indrnn-pmnist-paper": {"model": "indrnn", "task": "pmnist", "preset": "paper", "data": "mnist"},
    "indrnn-adding": {"model": "indrnn", "task": "adding"},
    "exprnn-copy-10": {"model": "exprnn", "task": "copy", "batch_size": 10},
    "exprnn-copy": {"model": "exprnn", "task": "copy", "batch_size": 128},
    "nnrnn-copy": {"model": "nnrnn", "task": "copy"},
    "eurnn-copy": {"model": "eurnn", "task": "copy"},
    "lstm-char-rnn": {"model": "lstm", "task": "charlm", "preset": "char-rnn"},
    "lstm-ptb": {"model": "lstm", "task": "charlm", "preset": "ptb"},
    "lstm-speech": {"model": "lstm", "task": "speech"},
    "resrnn-smnist": {"model": "resrnn", "task": "smnist", "data": "mnist"},
}


class Enough(Exception):
    """Ends a training that was measured for long enough."""


class Limit(Silent):
    """Begins the measurement after the warm-up, and ends it after so many seconds and updates.

    Parameters
    ----------
    watch : Stopwatch
        Of the phases.
    seconds : float
        How long.
    """

    def __init__(self, watch: Stopwatch, seconds: float) -> None:
        self._watch, self._seconds = watch, seconds
        self.updates = 0
        self._end = math.inf
        self.found: dict[str, float] = {}

    def on_step(self, step: Step) -> None:
        """Count."""
        if step.step == WARM_UP:
            self._watch.reset()
            self._end = time.monotonic() + self._seconds
        self.updates = step.step - WARM_UP
        if self.updates >= LEAST and time.monotonic() > self._end:
            self.found = self._watch.seconds()
            raise Enough


class Measured(NamedTuple):
    """Milliseconds of each phase for one update, updates measured, and seconds of one validation."""

    phases: dict[str, float]
    updates: int
    validation: float
    validation_every: int

    def document(self) -> dict[str, Any]:
        """The figures, and what follows from them."""
        total = sum(self.phases.values())
        shares = {name: value / total for name, value in self.phases.items()}
        return {
            "updates": self.updates,
            "ms": total,
            "shares": shares,
            "not_products": 1 - shares[PRODUCTS],
            "validation_seconds": self.validation,
            "validation_ms_per_update": 1e3 * self.validation / self.validation_every,
        }


def places(parts: Parts) -> list[tuple[str, Any, str]]:
    """The functions that an update calls, as (phase, where, name)."""
    update, trainer, model = importlib.import_module("npr.training.update"), Trainer, type(parts.model)
    found = [(PRODUCTS, model, "forward"), (PRODUCTS, model, "backward"), ("optimiser", model, "project")]
    found += [("parametrisation", model, "penalty"), (ROWS, trainer, "_log"), (SAVES, trainer, "_save")]
    found += [("optimiser", type(parts.optimizer), name) for name in ("clip", "update")]
    found += [("optimiser", type(parts.schedule), "factor")]
    found += [("guards", guard, name) for name in ("check_loss", "check_gradients", "check_parameters")]
    found += [("hits", update, name) for name in ("counted", "hits", "bit_hits")]
    if hasattr(parts.model, "parametrization"):
        kind = type(parts.model.parametrization())
        found += [("parametrisation", kind, name) for name in ("forward", "backward", "settle")]
    return found


def measure(case: dict[str, Any], seconds: float, clock: Callable[[], float], threads: int) -> Measured:
    """Train one case for so many seconds."""
    watch = Stopwatch(clock)
    limit = Limit(watch, seconds)
    train = resolve({**case, "threads": threads}).train
    config = resolve({**case, "threads": threads, **OFTEN})
    parts = open_parts(config, lambda line: None)
    stream = type(parts.dataset.train_stream(train.batch_size, 1))
    timed = parts._replace(loss=watch.timed("loss", parts.loss))
    watched = watch.watching([("batch", stream, "next"), *places(parts)])
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Enough), watched:
        fit(config, limit, Path(folder) / "run", timed)
    every = train.eval_every or parts.epoch_length()
    # How many of them fall to one update.
    rates = {
        ROWS: 1 / train.log_every,
        SAVES: (train.checkpoint_every > 0) / max(train.checkpoint_every, 1) + 1 / every,
    }
    phases = {
        name: 1e3
        * limit.found.get(name, 0.0)
        * (rates[name] / watch.calls[name] if name in rates else 1 / limit.updates)
        for name in PHASES
    }
    return Measured(phases, limit.updates, validation(parts._replace(train=train), clock), every)


def validation(parts: Parts, clock: Callable[[], float]) -> float:
    """Seconds of one validation with what goes before it, from a few batches."""
    train, few = parts.train, parts._replace(dataset=Few(parts.dataset))
    weights = Weights(*parts.model.init(np.random.default_rng(0), np.dtype(train.dtype).type))
    batches = sum(1 for _ in parts.dataset.batches("validation", train.batch_size))
    few = few._replace(train=replace(train, reestimate=min(train.reestimate, BATCHES)))
    for _ in range(2):  # once to warm up
        start = clock()
        reestimated(few, weights, 0)
        between = clock()
        score(few, weights, "validation", train.eval_norm)
        end = clock()
    return (between - start) * max(train.reestimate / BATCHES, 1) + (end - between) * max(batches / BATCHES, 1)


class Few:
    """The first batches of every split of a data set."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def batches(self, *arguments: Any) -> Iterator[Batch]:
        """As the data set's own, and no more than a few."""
        return itertools.islice(self._dataset.batches(*arguments), BATCHES)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


def table(found: dict[str, dict[str, Any]]) -> str:
    """A row for each case; shares of an update in percent."""
    columns = ["case", "ms", *PHASES, "not products", "goal", "validation ms"]
    rows = [columns, ["---"] * len(columns)]
    for name, case in found.items():
        shares = [f"{100 * case['shares'][phase]:.1f}" for phase in PHASES]
        goal = "held" if case["not_products"] <= GOAL else "MISSED"
        ends = [f"{case['not_products']:.1%}", goal, f"{case['validation_ms_per_update']:.2f}"]
        rows.append([name, f"{case['ms']:.2f}", *shares, *ends])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: list[str]) -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="What one update of a whole training is made of.")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES, metavar="CASE")
    parser.add_argument("--seconds", type=float, default=8.0, help="of training for each case, after the warm-up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the figures")
    options = parser.parse_args(arguments)
    machine.pin(options.threads)
    found = {}
    for name in options.cases:
        try:
            one = measure(CASES[name], options.seconds, CLOCKS[options.clock], options.threads)
        except DataError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        found[name] = one.document()
        print(f"{name}: {one.updates} updates", file=sys.stderr)
    print(table(found))
    missed = [name for name, case in found.items() if case["not_products"] > GOAL]
    print(f"More than {GOAL:.0%} of an update beside the products: {', '.join(missed) or 'no case'}.")
    if options.output:
        figures = {"threads": options.threads, "clock": options.clock, "goal": GOAL, "missed": missed, "cases": found}
        record.write_to(options.output, record.document("pipeline", arguments, figures))
    return 7 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
