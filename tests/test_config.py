"""Resolution of the flat configuration: who wins, what is refused, and that it survives storage."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from npr import registry
from npr.errors import ConfigError
from npr.params import count
from npr.training import Config, TrainConfig, resolve
from npr.training.config import known_keys
from npr.training.options import coerce
from npr.training.presets import PRESETS, names

LAPTOP = {key: value for key, (value, _) in PRESETS["indrnn", "pmnist"]["laptop"].items()}
ALL_PRESETS = [(*pair, name) for pair, presets in PRESETS.items() for name in presets]


def stored(path: Path, **table: Any) -> Path:
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("flags", "table", "value", "origin"),
    [
        ({"lr": 0.5}, {"lr": 0.25}, 0.5, "flag"),
        ({}, {"lr": 0.25}, 0.25, "file"),
        ({}, {}, LAPTOP["lr"], "preset"),
        ({"preset": "none"}, {}, 1e-3, "default"),
        ({"preset": "paper"}, {"preset": "laptop"}, 2e-4, "preset"),
        ({}, {"preset": "paper"}, 2e-4, "preset"),
    ],
)
def test_precedence(tmp_path: Path, flags: dict, table: dict, value: float, origin: str) -> None:
    config = resolve(flags, stored(tmp_path / "run.toml", **table))
    assert (config.flat()["lr"], config.origin["lr"]) == (value, origin)


@pytest.mark.parametrize(
    ("flags", "table", "length"),
    [
        ({"epochs": 3}, {}, (3, 0)),
        ({"steps": 7}, {}, (10, 7)),
        ({"epochs": 3}, {"epochs": 4, "steps": 50}, (3, 0)),
        ({}, {"epochs": 4}, (4, 0)),
        ({"steps": 7}, {"epochs": 4}, (10, 7)),
        ({}, {}, (10, LAPTOP["steps"])),
    ],
)
def test_a_length_replaces_one_in_the_other_unit(tmp_path: Path, flags: dict, table: dict, length: tuple) -> None:
    train = resolve(flags, stored(tmp_path / "run.toml", **table)).train
    assert (train.epochs, train.steps) == length


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"hiden_size": 3}, "Did you mean 'hidden_size'"),
        ({"model": "indnn"}, "Unknown model 'indnn'. Did you mean 'indrnn'"),
        ({"task": "pmnst"}, "Unknown task 'pmnst'. Did you mean 'pmnist'"),
        ({"optimizer": "adm"}, "Did you mean 'adam'"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"preset": "papr"}, "Did you mean 'paper'? Available: laptop, paper, none"),
        ({"beta1": 0.5, "optimizer": "sgd"}, "Unknown key 'beta1'"),
        ({"input_size": 3}, "Unknown key 'input_size'"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"batch_size": -4}, "batch_size = -4"),
        ({"steps": -1}, "steps = -1"),
        ({"epochs": 0, "preset": "none"}, "epochs = 0 and steps = 0"),
        ({"keep": 0}, "keep = 0"),
        ({"log_every": 0}, "log_every = 0"),
        ({"max_time": -1.0}, "max_time = -1"),
        ({"seed": -1}, "seed = -1"),
        ({"dtype": "float16"}, "dtype = 'float16'"),
        ({"device": "tpu"}, "device = 'tpu'"),
        ({"eval_norm": "mean"}, "eval_norm = 'mean'"),
        ({"lr": -1}, "lr = -1"),
        ({"lr": "fast"}, "lr = 'fast': expected a number"),
        ({"lr": "nan"}, "finite"),
        ({"layers": 2.5}, "layers = 2.5: expected a whole number"),
        ({"layers": True}, "layers = true: expected a whole number"),
        ({"hidden_size": 0}, "hidden_size = 0"),
        ({"model": "indrnn-dense", "hidden_size": 5}, "Unknown key 'hidden_size'"),
        ({"u_min": 0.5, "u_max": 0.4}, "u_min = 0.5 is not valid; it must be a number in [0, 0.4]"),
        ({"lr_by_prefix": "layers.0."}, "expected a table"),
    ],
)
def test_what_is_not_valid_is_refused_by_name(flags: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(flags)
    assert message in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        (int, "12", 12),
        (int, 12.0, 12),
        (float, "1e-3", 1e-3),
        (float, 2, 2.0),
        (bool, "true", True),
        (str, Path("data/mnist"), "data/mnist"),
        (tuple[int, ...], "8, 6,4", (8, 6, 4)),
        (tuple[int, ...], [8, 6, 4], (8, 6, 4)),
        (dict[str, float], "layers.0.=0.1,readout=2", {"layers.0.": 0.1, "readout": 2.0}),
        (dict[str, float], {"layers.0.": 1}, {"layers.0.": 1.0}),
        (float | None, None, None),
    ],
)
def test_values_take_the_type_of_their_field(kind: Any, given: Any, wanted: Any) -> None:
    found = coerce("key", kind, given)
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(("model", "task", "preset"), ALL_PRESETS)
def test_every_preset_survives_storage(model: str, task: str, preset: str) -> None:
    config = resolve({"model": model, "task": task, "preset": preset, "lr_by_prefix": "readout=0.5"})
    again = Config.from_flat(tomllib.loads(tomli_w.dumps(config.flat())))
    assert (again.flat(), again.build()) == (config.flat(), config.build())


@pytest.mark.parametrize(("model", "task", "preset"), ALL_PRESETS)
def test_every_preset_sets_keys_that_exist_and_says_why(model: str, task: str, preset: str) -> None:
    table = PRESETS[model, task][preset]
    config = resolve({"model": model, "task": task, "preset": preset})
    known = {key for keys in known_keys(config.train).values() for key in keys}
    assert table.keys() <= known
    assert all(isinstance(source, str) and source for _, source in table.values())


@pytest.mark.parametrize(
    ("model", "parameters"), [("indrnn", 86_410), ("indrnn-residual", 170_890), ("indrnn-dense", 256_514)]
)
def test_paper_presets_have_the_published_size(model: str, parameters: int) -> None:
    built = resolve({"model": model, "task": "pmnist", "preset": "paper"}).build()
    assert count(built.model.init(np.random.default_rng(0))[0]) == parameters


def test_a_pair_without_presets_takes_the_defaults_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PRESETS, ("indrnn", "smnist"))
    config = resolve({"task": "smnist"})
    assert config.train.steps == TrainConfig.steps
    assert len(config.notes) == 1
    assert "indrnn on smnist" in config.notes[0]


def test_a_preset_that_was_asked_for_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PRESETS, ("indrnn", "smnist"))
    assert names("indrnn", "smnist") == []
    with pytest.raises(ConfigError, match="Available: none"):
        resolve({"task": "smnist", "preset": "laptop"})


def test_another_schedule_leaves_the_keys_of_the_presets_one_unused() -> None:
    config = resolve({"schedule": "constant"})
    assert "schedule_warmup" not in config.flat()
    assert config.flat()["lr"] == LAPTOP["lr"]


def test_sizes_of_the_model_come_from_the_task() -> None:
    model = resolve({"model": "indrnn", "task": "pmnist"}).build().model
    assert (model.input_size, model.output_size, model.seq_len, model.readout) == (1, 10, 784, "last")


def test_the_configuration_of_a_run_can_be_used_again(tmp_path: Path) -> None:
    flat = resolve({"lr": 0.125, "steps": 5}).flat()
    path = stored(tmp_path / "config.toml", **flat, provenance={"npr": "9"}, dataset={"name": "x"})
    config = resolve({}, path)
    assert config.flat() == flat


@pytest.mark.parametrize("content", [b"lr = ", b"\xff\xfe", b"lr = 1\nlr = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        resolve({}, path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        resolve({}, tmp_path / "absent.toml")


def test_unknown_keys_of_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'clip_norm'"):
        resolve({}, stored(tmp_path / "run.toml", clip_nrm=1.0))


@pytest.mark.parametrize(
    "changes", [{"epochs": 20}, {"steps": 99}, {"max_time": 60}, {"threads": 1}, {"device": "cuda"}]
)
def test_length_and_threads_can_change_on_resume(changes: dict[str, Any]) -> None:
    before = resolve({"epochs": 3})
    after = before.changed(changes)
    assert {key for key, value in after.flat().items() if value != before.flat()[key]} == changes.keys()


def test_tf32_belongs_to_a_device() -> None:
    with pytest.raises(ConfigError, match="tf32 = true works on a CUDA device only: set device = 'cuda', or leave"):
        resolve({"tf32": True})
    config = resolve({"tf32": True, "device": "cuda"})
    assert not config.changed({"tf32": False}).train.tf32
    assert not config.changed({"device": "cpu"}).train.tf32
    assert resolve({"device": "cuda"}).changed({"tf32": True}).train.tf32
    with pytest.raises(ConfigError, match="tf32 = true"):
        config.changed({"device": "cpu", "tf32": True})
    with pytest.raises(ConfigError, match="dtype = 'float64' has none"):
        resolve({"tf32": True, "device": "cuda", "dtype": "float64"})


def test_epochs_on_resume_replace_steps() -> None:
    assert resolve({"steps": 9}).changed({"epochs": 2}).train.steps == 0


@pytest.mark.parametrize("key", ["lr", "batch_size", "seed", "model", "dtype", "nonsense"])
def test_nothing_else_can_change_on_resume(key: str) -> None:
    with pytest.raises(ConfigError, match=f"'{key}' cannot change"):
        resolve().changed({key: 1})


@pytest.mark.parametrize("task", registry.tasks.names())
@pytest.mark.parametrize("model", registry.models.names())
def test_no_key_means_two_things(model: str, task: str) -> None:
    for optimizer, schedule in itertools.product(registry.optimizers.names(), registry.schedules.names()):
        train = TrainConfig(model=model, task=task, optimizer=optimizer, schedule=schedule)
        keys = [key for table in known_keys(train).values() for key in table]
        assert sorted(set(keys)) == sorted(keys)


def test_importing_training_compiles_nothing() -> None:
    code = "import sys, npr.training; print(sorted({'numba', 'click', 'rich'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
