"""Tasks that draw their sequences: seeds, positions, exact resume, and what the command line says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import Cli, cli, data_dir
from watching import Killed, Recorder, bits, killing, newest, rows

from npr.errors import ConfigError, DataError
from npr.registry import tasks
from npr.tasks import fresh
from npr.tasks.base import Batch
from npr.training import Config, evaluate, fit, resolve, resume

__all__ = ["cli", "data_dir"]
SOURCES: list[tuple[str, dict[str, Any]]] = [
    ("adding", {"seq_len": 9}),
    ("copy", {"delay": 5}),
    ("copy", {"delay": 5, "vary": True}),
]
every_source = pytest.mark.parametrize(("name", "options"), SOURCES)
SMALL = {"validation_size": 12, "test_size": 5}


def opened(name: str, options: dict[str, Any]) -> fresh.FreshDataset:
    return tasks.get(name)(**{**SMALL, **options}).open()


def same(one: Batch, other: Batch) -> bool:
    return np.array_equal(one.x, other.x) and np.array_equal(one.target, other.target)


@every_source
def test_batches_follow_from_the_seed(name: str, options: dict[str, Any]) -> None:
    one, again, other = (opened(name, options).train_stream(4, seed) for seed in (1, 1, 2))
    for _ in range(3):
        batch = one.next()
        assert same(batch, again.next())
        assert not same(batch, other.next())


@every_source
def test_no_batch_comes_twice(name: str, options: dict[str, Any]) -> None:
    stream = opened(name, options).train_stream(4, 1)
    drawn = {stream.next().x.tobytes() for _ in range(3 * fresh._BATCHES)}
    assert len(drawn) == 3 * fresh._BATCHES


@every_source
@pytest.mark.parametrize("used", [0, 1, fresh._BATCHES - 1, fresh._BATCHES, fresh._BATCHES + 1])
def test_a_stored_position_is_found_again(name: str, options: dict[str, Any], used: int) -> None:
    first, second = (opened(name, options).train_stream(4, 1) for _ in range(2))
    for _ in range(used):
        first.next()
    second.restore(json.loads(json.dumps(first.state())))
    assert second.state() == first.state()
    assert all(same(first.next(), second.next()) for _ in range(fresh._BATCHES + 2))


def test_long_sequences_are_drawn_one_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "_STEPS", 100)
    assert opened("adding", {"seq_len": 60}).train_stream(4, 1)._drawn[0].shape == (1, 60, 4)


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"used": -1}, {"used": 999}, {"used": None}, {"used": 1.0}, {"rng": {}}, {"rng": 3}, {"more": 1}],
)
def test_foreign_positions_are_refused(change: dict[str, Any]) -> None:
    stream = opened("adding", {}).train_stream(4, 1)
    with pytest.raises(DataError, match="not one of the stream with seed 1"):
        stream.restore({**stream.state(), **change})


@every_source
def test_fixed_sets_depend_on_neither_batch_size_nor_type(name: str, options: dict[str, Any]) -> None:
    dataset = opened(name, options)
    whole = next(dataset.batches("validation", 12, np.float64))
    pieces = list(dataset.batches("validation", 5, np.float64))
    single = next(dataset.batches("validation", 12, np.float32))
    assert [piece.x.shape[1] for piece in pieces] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate([piece.x for piece in pieces], axis=1), whole.x)
    assert single.x.dtype == np.float32
    np.testing.assert_array_equal(single.x, whole.x.astype(np.float32))


@every_source
def test_splits_and_data_seeds_differ(name: str, options: dict[str, Any]) -> None:
    # Equal seeds and sizes, so that only the purpose of the numbers tells the splits apart.
    full = {key: value for key, value in options.items() if key != "vary"}
    sets = [opened(name, {**full, "test_size": 12, "data_seed": seed}) for seed in (1, 2)]
    batches = [next(dataset.batches(split, 12)) for dataset in sets for split in ("validation", "test")]
    batches.append(sets[0].train_stream(12, 1).next())
    assert len({batch.x.tobytes() for batch in batches}) == 5


@every_source
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_of_the_input(name: str, options: dict[str, Any], dtype: type) -> None:
    batch = opened(name, options).train_stream(4, 1, dtype).next()
    assert batch.x.dtype == dtype
    assert batch.target.dtype == (dtype if name == "adding" else np.int64)


def test_an_empty_set_has_no_batches() -> None:
    dataset = tasks.get("adding")(validation_size=0).open()
    assert list(dataset.batches("validation", 5)) == []


def test_training_sequences_are_not_kept() -> None:
    dataset = opened("adding", {})
    assert dataset.sizes == {"validation": 12, "test": 5}
    with pytest.raises(ConfigError, match="Unknown split 'train'"):
        dataset.batches("train", 5)


@pytest.mark.parametrize(("batch_size", "seed"), [(0, 1), (4, -1)])
def test_impossible_sizes_and_seeds_are_refused(batch_size: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="must be"):
        opened("adding", {}).train_stream(batch_size, seed)


def test_no_data_set_can_be_named(tmp_path: Path) -> None:
    lines: list[str] = []
    task = tasks.get("copy")()
    for data in ("auto", "synthetic"):
        assert task.open(data, tmp_path, lines.append).name == "copy"
    assert lines == [f"data: copy draws its own sequences, nothing is read from '{tmp_path}'"] * 2
    with pytest.raises(ConfigError, match="data = 'mnist': the task copy draws its own"):
        task.open("mnist")


def chosen(name: str, options: dict[str, Any]) -> Config:
    """A short run of a small network."""
    size = {"layers": 1, "hidden_size": 4, "batch_size": 3, "preset": "none", "threads": 1, "norm": "none"}
    often = {"steps": 9, "eval_every": 3, "checkpoint_every": 2, "log_every": 2}
    return resolve({"model": "indrnn", "task": name, **size, **often, **SMALL, **options})


@every_source
def test_a_killed_run_ends_in_the_same_bits(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    config = chosen(name, options)
    wanted = fit(config, run=tmp_path / "whole")
    with pytest.raises(Killed):
        fit(config, killing(6), tmp_path / "killed")
    found = resume(tmp_path / "killed")
    assert bits(newest(tmp_path / "killed")) == bits(newest(tmp_path / "whole"))
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    assert (found.test, found.validation, found.baseline) == (wanted.test, wanted.validation, wanted.baseline)


@pytest.mark.parametrize(("name", "options", "figures"), [(*SOURCES[0], {"loss"}), (*SOURCES[1], {"loss", "accuracy"})])
def test_the_loss_selects(name: str, options: dict[str, Any], figures: set[str], tmp_path: Path) -> None:
    watcher = Recorder()
    result = fit(chosen(name, options), watcher, tmp_path)
    scores = {row["step"]: row["validation_loss"] for row in watcher.validated}
    assert result.best_step == min(scores, key=lambda step: scores[step])
    assert result.train.keys() == result.validation.keys() == result.test.keys() == figures
    baseline = tasks.get(name)(**options).baseline
    assert result.document()["baseline"] == {"name": baseline.name, "loss": baseline.loss}


def test_only_kept_splits_are_measured(tmp_path: Path) -> None:
    result = fit(chosen("adding", {}), run=tmp_path)
    assert evaluate(tmp_path)["test"] == result.test
    with pytest.raises(ConfigError, match=r"keeps no train sequences.*Use validation, test"):
        evaluate(tmp_path, "train")


def test_a_run_without_validation(tmp_path: Path) -> None:
    result = fit(chosen("adding", {"validation_size": 0}), run=tmp_path)
    assert (result.validation, result.best_step) == ({}, 9)


TINY = ["--model", "indrnn", "--preset", "none", "--layers", "1", "--hidden-size", "4", "--batch-size", "3"]


@pytest.mark.parametrize("name", ["adding", "copy"])
def test_the_command_line_trains_and_measures(cli: Cli, name: str) -> None:
    sizes = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    done = cli("train", "--task", name, *TINY, *sizes, "--steps", "2")
    assert done.code == 0
    assert f"on {name} (fresh sequences every update / 12 validation / 5 test)" in done.err
    assert "  baseline   loss 0." in done.out
    assert cli("eval", "1", "--json").json()["baseline"]["loss"] > 0
    assert cli("eval", "1", "--split", "train").code == 3
    assert cli("resume", "1", "--steps", "4").code == 0


def test_the_length_is_an_option_of_the_task(cli: Cli) -> None:
    done = cli("train", "--task", "adding", *TINY, "--set", "seq_len=12", "--dry-run", "--json")
    found = done.json()
    assert found["config"]["seq_len"] == {"value": 12, "origin": "flag"}
    assert found["estimate"]["total_steps"] == 10 * fresh.EPOCH
    assert cli("train", "--task", "copy", *TINY, "--set", "seq_len=12", "--dry-run").code == 3


@pytest.mark.parametrize(("assigned", "count"), [([], "1,000"), (["--set", "updates_per_epoch=70"], "70")])
def test_a_dry_run_says_what_an_epoch_is(cli: Cli, assigned: list[str], count: str) -> None:
    done = cli("train", "--task", "copy", *TINY, "--set", "delay=3", "--dry-run", *assigned)
    assert f"data: fresh sequences every update, {count} updates count as an epoch" in done.out


def test_tasks_are_listed_with_their_baselines(cli: Cli) -> None:
    rows = {row["name"]: row["baseline"] for row in cli("tasks", "--json").json()}
    assert rows["adding"] == {"name": "always 1", "loss": pytest.approx(1 / 6)}
    assert rows["pmnist"] is None
    assert "baseline: loss 0.0945 (blanks, then guesses)" in cli("tasks").out
