"""Chunks of a text go on from the states that the chunk before left: in training, in measurements, over a resume."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_text
from watching import Killed, bits, killing, newest, rows, signalled

from npr.backends import get_backend
from npr.context import Context
from npr.errors import DataError, DivergedError, Interrupted
from npr.losses import cross_entropy
from npr.tasks.base import Batch
from npr.training import evaluate, fit, resume
from npr.training.checkpoint import Snapshot
from npr.training.evaluation import reestimated, score
from npr.training.guard import check_state
from npr.training.parts import Parts, Weights, left_by, start_of
from npr.training.state import fresh, restore, snapshot
from npr.training.tensors import CheckpointError
from npr.training.update import update

VARIANTS: dict[str, dict[str, Any]] = {
    "reset": {"layers": 2, "dropout": 0.2},
    "carry": {"epoch_state": "carry", "embedding_size": 5, "dropout_embedding": 0.2},
    "rotating": {"layout": "rotating", "eval_batch_size": 0},
    "reload": {"schedule": "patience", "schedule_patience": 0, "eval_every": 2, "lr": 0.3, "schedule_minimum": 0.0},
    "norm": {"model": "indrnn", "layers": 2, "norm": "time", "reestimate": 3, "epoch_state": "carry"},
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text.write(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def whole(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs that were never stopped, made when they are asked for."""
    folder, done = tmp_path_factory.mktemp("whole"), {}

    def run(variant: str) -> Path:
        if variant not in done:
            fit(tiny_text.config(text, **VARIANTS[variant]), run=folder / variant)
            done[variant] = folder / variant
        return done[variant]

    return run


def test_a_batch_says_whether_it_goes_on() -> None:
    state = (np.ones((2, 3)),)
    own, first, later = (Batch(np.zeros((1, 2)), np.zeros((1, 2)), chunk=chunk) for chunk in (None, 0, 7))
    assert [start_of(batch, state) for batch in (own, first, later)] == [None, None, state]
    assert [left_by(batch, state) for batch in (own, first, later)] == [None, state, state]


@pytest.mark.parametrize("model", ["rnn", "indrnn", "eurnn"])
def test_chunks_with_carried_states_are_one_long_pass(model: str, text: Path) -> None:
    made = tiny_text.parts(tiny_text.config(text, model=model, **({"norm": "none"} if model == "indrnn" else {})))
    state = fresh(made)
    batches = [state.stream.next() for _ in range(4)]
    context, carried, outputs = Context(made.backend), None, []
    for batch in batches:
        out = made.model.forward(context, state.params, state.buffers, batch.x, start_of(batch, carried))
        carried = left_by(batch, out.state)
        outputs.append(out.output)
    at_once = made.model.forward(context, state.params, state.buffers, np.concatenate([b.x for b in batches]))
    np.testing.assert_allclose(np.concatenate(outputs), at_once.output, atol=1e-5)
    np.testing.assert_allclose(carried[0], at_once.state[0], atol=1e-5)


def test_an_update_starts_where_the_one_before_ended(text: Path) -> None:
    made = tiny_text.parts(tiny_text.config(text, dtype="float64"))
    state, seen = fresh(made), []

    def watched(*args: Any) -> Any:
        out = made.model.forward(*args)
        seen.append((args[4], out.state))
        return out

    class Watching:
        forward = staticmethod(watched)

        def __getattr__(self, name: str) -> Any:
            return getattr(made.model, name)

    epoch = made.dataset.updates_per_epoch(6)
    for _ in range(epoch + 2):
        update(made._replace(model=Watching()), state)
    starts = [start for start, _ in seen]
    assert [i for i, start in enumerate(starts) if start is None] == [0, epoch]
    for (_, left), start in zip(seen, starts[1:], strict=False):
        assert start is None or start[0] is left[0]


def test_a_measurement_is_one_pass_over_the_text(text: Path) -> None:
    """Every predicted symbol counts once, in chunks of whatever length: a mean over one long pass."""
    figures = []
    for seq_len in (48, 7, 1000):
        made = tiny_text.parts(tiny_text.config(text, seq_len=seq_len, dtype="float64", batch_size=1))
        state = fresh(made)
        figures.append(score(made, Weights(state.params, state.buffers), "validation", "running"))
    for other in figures[1:]:
        assert other == pytest.approx(figures[0], rel=1e-12)
    (batch,) = made.dataset.batches("validation", 1, np.float64)
    out = made.model.forward(Context(get_backend("cpu")), state.params, state.buffers, batch.x).output
    assert figures[0]["loss"] == pytest.approx(cross_entropy(out, batch.target)[0], rel=1e-12)
    assert figures[0]["bpc"] == pytest.approx(figures[0]["loss"] / math.log(2), rel=1e-14)


def test_measuring_does_not_disturb_the_carried_states(text: Path) -> None:
    made = tiny_text.parts(tiny_text.config(text, **VARIANTS["norm"]))
    state = fresh(made)
    update(made, state)
    before = [part.copy() for part in state.carried]
    position = state.stream.state()
    weights = Weights(state.params, state.buffers)
    reestimated(made, weights, 1)
    score(made, weights, "validation", "both")
    for part, copy in zip(state.carried, before, strict=True):
        np.testing.assert_array_equal(part, copy)
    assert state.stream.state() == position


def test_statistics_are_estimated_over_states_that_go_on(text: Path) -> None:
    made = tiny_text.parts(tiny_text.config(text, **VARIANTS["norm"]))
    state, starts = fresh(made), []
    forward = made.model.forward

    class Watching:
        def forward(self, *args: Any) -> Any:
            starts.append(args[4])
            return forward(*args)

    reestimated(made._replace(model=Watching()), Weights(state.params, state.buffers), 1)
    assert [start is None for start in starts] == [True, False, False]


def test_going_back_to_the_best_state_lets_the_text_run_on(text: Path) -> None:
    made = tiny_text.parts(tiny_text.config(text, **VARIANTS["reload"]))
    state = fresh(made)
    state.keep_best({"loss": 1.0}, state.buffers, reloads=True)
    update(made, state)
    carried = state.carried
    state.go_back()
    assert state.carried is carried


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("how", "at"), [("kill", 3), ("kill", 13), ("signal", 8), ("signal", 10)])
def test_a_stopped_run_ends_in_the_same_bits(
    whole: Any, text: Path, variant: str, how: str, at: int, tmp_path: Path
) -> None:
    watcher, error = (signalled(at), Interrupted) if how == "signal" else (killing(at), Killed)
    with pytest.raises(error):
        fit(tiny_text.config(text, **VARIANTS[variant]), watcher, tmp_path / "run")
    resume(tmp_path / "run")
    assert bits(newest(tmp_path / "run")) == bits(newest(whole(variant)))
    assert rows(tmp_path / "run") == rows(whole(variant))


def test_a_checkpoint_in_mid_epoch_holds_the_states(whole: Any) -> None:
    stored = newest(whole("reset"))
    carried = {name: value.shape for name, value in stored.tensors.items() if name.startswith("carried/")}
    assert carried == {"carried/0": (6, 8), "carried/1": (6, 8)}
    assert stored.state["carried"] == 2


def test_a_resume_without_the_states_would_differ(whole: Any, text: Path) -> None:
    """Otherwise the equality above would prove nothing."""
    chosen = tiny_text.config(text, **VARIANTS["reset"])
    made = tiny_text.parts(chosen)
    results = []
    for keep in (True, False):
        state = restore(made, newest(whole("reset")))
        state.carried = state.carried if keep else None
        results.append(update(made, state).loss)
    assert results[0] != results[1]


def changed(stored: Snapshot, value: np.ndarray) -> Snapshot:
    return stored._replace(tensors={**stored.tensors, "carried/0": value})


@pytest.mark.parametrize("value", [np.zeros((5, 8), np.float32), np.zeros((6, 8)), np.zeros(6, np.float32)])
def test_states_that_do_not_fit_are_refused(text: Path, value: np.ndarray) -> None:
    made = tiny_text.parts(tiny_text.config(text))
    state = fresh(made)
    update(made, state)
    stored = snapshot(state, {})
    with pytest.raises(CheckpointError, match="carried/0 is"):
        restore(made, changed(stored, value))
    del stored.tensors["carried/0"]
    with pytest.raises(CheckpointError, match="carried/0"):
        restore(made, stored)


def test_a_checkpoint_from_before_there_were_carried_states_is_read(text: Path) -> None:
    made: Parts = tiny_text.parts(tiny_text.config(text))
    stored = snapshot(fresh(made), {})
    del stored.state["carried"]
    assert restore(made, stored).carried is None


def test_infinite_states_are_not_saved(text: Path) -> None:
    state = fresh(tiny_text.parts(tiny_text.config(text)))
    bad = np.zeros((6, 8))
    bad[1, 2] = np.inf
    with pytest.raises(DivergedError, match=r"carried state 0 is inf at \[1, 2\]"):
        check_state(5, state.params, state.buffers, state.optimizer, (bad,))


def test_a_changed_text_is_not_resumed(tmp_path: Path) -> None:
    text = tiny_text.write(tmp_path)
    with pytest.raises(Interrupted):
        fit(tiny_text.config(text), signalled(3), tmp_path / "run")
    text.write_text(text.read_text().replace("question", "sequitno"))
    with pytest.raises(DataError, match="does not fit"):
        resume(tmp_path / "run")


def test_every_row_and_the_result_tell_bits_per_character(whole: Any) -> None:
    path = whole("carry")
    for row in rows(path):
        assert row["bpc"] == pytest.approx(row["loss"] / math.log(2), rel=1e-12)
        if "validation_loss" in row:
            assert row["validation_bpc"] == pytest.approx(row["validation_loss"] / math.log(2), rel=1e-12)
    result = json.loads((path / "result.json").read_text())
    measured = evaluate(path, "test")
    for document in (result, measured):
        for split in ("train", "validation", "test"):
            figures = document[split]
            assert figures["bpc"] == pytest.approx(figures["loss"] / math.log(2), rel=1e-12)
            assert 0 <= figures["accuracy"] <= 1
    assert result["test"] == pytest.approx(measured["test"])
    assert result["baseline"]["name"] == "symbol frequencies"
