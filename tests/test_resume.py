"""Exact resume: a run stopped at any moment ends in the bits of one that never was."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import VARIANTS, FakeData, FakeModel, config, parts, run_of
from watching import Killed, Recorder, bits, killing, newest, rows, signalled

from npr import registry
from npr.backends import get_backend
from npr.errors import ConfigError, DataError, Interrupted
from npr.optimizers import Adam
from npr.params import pack
from npr.tasks.base import Batch
from npr.training import Result, fit, resume
from npr.training.checkpoint import TENSORS, Snapshot, load
from npr.training.history import Checkpoints
from npr.training.tensors import CheckpointError


def comparable(result: Result) -> dict[str, Any]:
    return {key: value for key, value in result.document().items() if key not in ("run", "seconds")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Result]]:
    """Runs that were never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    done = {}
    for number, variant in enumerate(VARIANTS):
        chosen, made = run_of(variant)
        done[variant] = folder / str(number), fit(chosen, run=folder / str(number), parts=made)
    return done


def test_updates_move_all_that_is_compared(tmp_path: Path) -> None:
    chosen, made = run_of("plain", keep=9)
    fit(chosen, run=tmp_path, parts=made)
    early, late = (bits(load(tmp_path / "ckpt" / f"step-{step:08d}")) for step in (4, 20))
    moving = {key for key in early if key.partition("/")[0] in ("params", "buffers", "moments", "rng", "data", "row")}
    assert len(moving) == 10
    assert [key for key in moving if early[key] == late[key]] == []


@pytest.mark.parametrize("at", [1, 3, 4, 6, 7, 12, 19, 20])
@pytest.mark.parametrize("how", ["signal", "kill"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stopped_run_ends_in_the_same_bits(whole: Any, variant: str, how: str, at: int, tmp_path: Path) -> None:
    chosen, made = run_of(variant)
    watcher, error = (signalled(at), Interrupted) if how == "signal" else (killing(at), Killed)
    with pytest.raises(error):
        fit(chosen, watcher, tmp_path, made)
    result = resume(tmp_path, parts=run_of(variant)[1])
    path, wanted = whole[variant]
    assert bits(newest(tmp_path)) == bits(newest(path))
    assert rows(tmp_path) == rows(path)
    assert comparable(result) == comparable(wanted)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_stopped_in_every_update_ends_in_the_same_bits(whole: Any, variant: str, tmp_path: Path) -> None:
    chosen, made = run_of(variant)
    with pytest.raises(Interrupted):
        fit(chosen, signalled(1), tmp_path, made)
    for at in range(2, 21):
        with pytest.raises(Interrupted):
            resume(tmp_path, events=signalled(at), parts=run_of(variant)[1])
    resume(tmp_path, parts=run_of(variant)[1])
    path, _ = whole[variant]
    assert bits(newest(tmp_path)) == bits(newest(path))
    assert rows(tmp_path) == rows(path)


@dataclasses.dataclass
class SignallingData(FakeData):
    """Sends SIGTERM while a split is read for the first time."""

    split: str = "validation"

    def batches(self, split: str, batch_size: int, dtype: Any = np.float32) -> Iterator[Batch]:
        first = split not in self.read
        for batch in super().batches(split, batch_size, dtype):
            if split == self.split and first:
                signal.raise_signal(signal.SIGTERM)
                first = False
            yield batch


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("variant", ["plain", "re-estimated statistics", "patience"])
def test_a_run_stopped_in_a_measurement_ends_in_the_same_bits(
    whole: Any, variant: str, split: str, tmp_path: Path
) -> None:
    chosen, made = run_of(variant)
    with pytest.raises(Interrupted) as caught:
        fit(chosen, run=tmp_path, parts=made._replace(dataset=SignallingData(split=split)))
    result = resume(tmp_path, parts=run_of(variant)[1])
    path, wanted = whole[variant]
    assert caught.value.exit_code == 143
    assert bits(newest(tmp_path)) == bits(newest(path))
    assert rows(tmp_path) == rows(path)
    assert comparable(result) == comparable(wanted)


def test_a_finished_run_gives_its_result_without_reading_data(whole: Any) -> None:
    path, wanted = whole["plain"]
    watcher, data = Recorder(), FakeData()
    found = resume(path, events=watcher, parts=run_of("plain")[1]._replace(dataset=data))
    assert (found, data.read, watcher.steps) == (wanted, [], [])
    assert "Nothing is left" in watcher.messages[0]


def test_a_run_is_not_made_shorter_than_it_is(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Killed):
        fit(chosen, killing(17), tmp_path, made)
    before = newest(tmp_path).step
    with pytest.raises(ConfigError, match=f"has {before} updates behind it, more than the 3 that are asked for"):
        resume(tmp_path, {"steps": 3}, parts=made)
    assert newest(tmp_path).config["steps"] == chosen.train.steps


def test_a_run_made_longer_keeps_its_schedule(tmp_path: Path) -> None:
    chosen, made = run_of("one-cycle in float64", schedule_end=0.5)
    fit(chosen, run=tmp_path, parts=made)
    watcher = Recorder()
    result = resume(tmp_path, {"steps": 26}, watcher, made)
    assert (result.steps, watcher.steps[0].step) == (26, 21)
    assert [step.lr for step in watcher.steps] == [pytest.approx(0.5 * made.optimizer.lr)] * 6
    assert watcher.messages == ["The schedule ends at update 20; later ones have 0.5 of lr."]
    assert [row["step"] for row in rows(tmp_path)] == [3, 6, 9, 12, 15, 18, 20, 21, 24, 26]
    assert newest(tmp_path).config["steps"] == 26


def test_a_damaged_checkpoint_costs_only_the_updates_since_the_one_before(whole: Any, tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Killed):
        fit(chosen, killing(17), tmp_path, made)
    (tmp_path / "ckpt" / "step-00000016" / TENSORS).write_bytes(b"")
    watcher = Recorder()
    resume(tmp_path, events=watcher, parts=run_of("plain")[1])
    assert "step-00000016" in watcher.messages[0]
    assert watcher.steps[0].step == 13
    assert bits(newest(tmp_path)) == bits(newest(whole["plain"][0]))
    assert rows(tmp_path) == rows(whole["plain"][0])


def test_an_edited_configuration_is_refused_with_the_keys(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(5), tmp_path, made)
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace("batch_size = 5", "batch_size = 6"))
    with pytest.raises(ConfigError, match="batch_size 5 -> 6"):
        resume(tmp_path, parts=made)


def test_other_versions_are_mentioned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(5), tmp_path, made)
    monkeypatch.setattr("npr.training.loop.versions", lambda: {"numpy": "99"})
    watcher = Recorder()
    resume(tmp_path, events=watcher, parts=made)
    assert "(now 99)" in watcher.messages[0]


def test_options_of_a_later_version_must_be_at_their_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(5), tmp_path, made)
    found = Checkpoints.newest

    def older(lacking: str) -> None:
        def without(checkpoints: Checkpoints) -> tuple[Path, Snapshot]:
            path, stored = found(checkpoints)
            return path, stored._replace(config={key: stored.config[key] for key in stored.config if key != lacking})

        monkeypatch.setattr(Checkpoints, "newest", without)

    older("batch_size")
    with pytest.raises(ConfigError, match="batch_size None -> 5"):
        resume(tmp_path, parts=made)
    older("decay_by_prefix")
    assert resume(tmp_path, parts=made).steps == chosen.train.steps


@dataclasses.dataclass(frozen=True)
class WiderModel(FakeModel):
    """One more parameter."""

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> Any:
        params, buffers = super().init(rng, dtype)
        return pack({**params, "extra": params["layer.u"]}), buffers


@dataclasses.dataclass(frozen=True)
class DoubleModel(FakeModel):
    """The same parameters in another precision."""

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> Any:
        return super().init(rng, np.float64)


@pytest.mark.parametrize(("model", "message"), [(WiderModel(), "extra"), (DoubleModel(), "wanted float64")])
def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path, model: FakeModel, message: str) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(5), tmp_path, made)
    with pytest.raises(CheckpointError, match=message):
        resume(tmp_path, parts=made._replace(model=model))


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    chosen = config(data="mnist", data_dir=str(tmp_path / "absent"))
    with pytest.raises(DataError):
        fit(chosen, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", registry.models.names())
def test_real_networks_resume_exactly(model: str, tmp_path: Path) -> None:
    kind = registry.models.get(model)
    sizes = {"hidden_size": 8, "input_size": 3, "output_size": 4, "seq_len": 5}
    known = {entry.name for entry in dataclasses.fields(kind)}
    dropout = {"dropout": 0.2} if "dropout" in known else {}
    chosen = config(model=model, steps=6, eval_every=2, reestimate=2, **dropout)
    options = chosen.parts["model"] | {key: value for key, value in sizes.items() if key in known}
    made = parts(chosen, model=kind(**options), optimizer=Adam(clip_norm=1.0))
    made = made._replace(backend=get_backend("cpu", threads=1))
    fit(chosen, run=tmp_path / "whole", parts=made)
    with pytest.raises(Interrupted):
        fit(chosen, signalled(3), tmp_path / "stopped", made)
    resume(tmp_path / "stopped", parts=made)
    assert bits(newest(tmp_path / "stopped")) == bits(newest(tmp_path / "whole"))
