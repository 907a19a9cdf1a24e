"""`npr ckpt import` and `export`: runs from foreign weights, files for others, and what is refused."""

from __future__ import annotations

import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weight_files as made
from cli_runs import Cli, cli, data_dir, tensors

from npr.interop import read_weights
from npr.training.storage import Disk

__all__ = ["cli", "data_dir"]
H = 5
SMALL = [
    *("--set", "preset=none"),
    *("--set", "seq_len=6"),
    *("--set", "validation_size=20"),
    *("--set", "test_size=20"),
]
ADDING = ["--model", "rnn", "--task", "adding", *SMALL]
TRAIN = [*("--hidden-size", "6", "--layers", "2", "--batch-size", "4")]


def torch_rnn(layers: int = 1, inputs: int = 2, outputs: int = 1, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """A state dict of torch.nn.RNN and torch.nn.Linear."""
    rng = np.random.default_rng(layers)
    shapes: dict[str, tuple[int, ...]] = {}
    for i in range(layers):
        shapes |= {f"rnn.weight_ih_l{i}": (H, H if i else inputs), f"rnn.weight_hh_l{i}": (H, H)}
        shapes |= {f"rnn.bias_ih_l{i}": (H,), f"rnn.bias_hh_l{i}": (H,)}
    shapes |= {"fc.weight": (outputs, H), "fc.bias": (outputs,)}
    return {name: (rng.normal(size=shape) / 2).astype(dtype) for name, shape in shapes.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of torch with one layer for the adding task."""
    path = tmp_path / "model.pt"
    path.write_bytes(made.zip_file(torch_rnn()))
    return path


def stored(run: Path) -> dict[str, np.ndarray]:
    return read_weights(run / (run / "latest").read_text().strip() / "tensors.safetensors").tensors


def test_import_writes_a_run_folder(cli: Cli, file: Path) -> None:
    done = cli("ckpt", "import", file, *ADDING, "--json")
    assert done.code == 0
    assert done.json() == {
        "run": "runs/0001-rnn-adding",
        "model": "rnn",
        "task": "adding",
        "layout": "torch.nn.RNN with a linear readout",
        "parameters": H * (2 + H + 1) + H + 1,
    }
    run = Path("runs/0001-rnn-adding")
    assert (run / "latest").read_text() == "ckpt/step-00000000\n"
    config = tomllib.loads((run / "config.toml").read_text())
    assert (config["hidden_size"], config["layers"], config["activation"], config["seq_len"]) == (H, 1, "tanh", 6)
    assert config["imported"]["file"] == str(file)
    arrays, found = torch_rnn(), stored(run)
    np.testing.assert_array_equal(found["params/layers.0.W_in"], arrays["rnn.weight_ih_l0"].T)
    np.testing.assert_array_equal(found["params/layers.0.recurrent.W"], arrays["rnn.weight_hh_l0"].T)
    np.testing.assert_array_equal(found["params/layers.0.bias"], arrays["rnn.bias_ih_l0"] + arrays["rnn.bias_hh_l0"])
    np.testing.assert_array_equal(found["params/readout.W"], arrays["fc.weight"].T)


def adding_loss(arrays: dict[str, np.ndarray]) -> float:
    """Mean squared error of torch's equations on the test sequences of the adding task."""
    from npr.tasks.adding import Adding

    task = Adding(seq_len=6, validation_size=20, test_size=20).open("auto", None, lambda _: None)
    losses = []
    for batch in task.batches("test", 20, np.float32):
        h = np.zeros((batch.x.shape[1], H))
        for x in batch.x:
            a = x @ arrays["rnn.weight_ih_l0"].T + arrays["rnn.bias_ih_l0"]
            h = np.tanh(a + h @ arrays["rnn.weight_hh_l0"].T + arrays["rnn.bias_hh_l0"])
        losses.append(np.mean((h @ arrays["fc.weight"].T + arrays["fc.bias"] - batch.target) ** 2))
    return float(np.mean(losses))


def test_eval_of_imported_weights_is_that_of_their_equations(cli: Cli, file: Path) -> None:
    cli("ckpt", "import", file, *ADDING, "--run-dir", "mine")
    done = cli("eval", "mine", "--json", "-q")
    assert done.code == 0
    assert done.json()["steps"] == 0
    assert done.json()["test"]["loss"] == pytest.approx(adding_loss(torch_rnn()), rel=1e-5)


def test_resume_trains_on_from_the_weights_and_keeps_their_origin(cli: Cli, file: Path, tmp_path: Path) -> None:
    cli("ckpt", "import", file, *ADDING, "--run-dir", "mine", "--set", "steps=2")
    before = tensors(tmp_path / "mine")
    done = cli("resume", "mine", "--steps", "3", "--json", "-q")
    assert (done.code, done.json()["steps"]) == (0, 3)
    after = tensors(tmp_path / "mine")
    assert after["params/layers.0.W_in"] != before["params/layers.0.W_in"]
    moved = stored(tmp_path / "mine")["params/layers.0.W_in"] - torch_rnn()["rnn.weight_ih_l0"].T
    assert 0 < np.abs(moved).max() < 0.1
    assert tomllib.loads(Path("mine/config.toml").read_text())["imported"]["file"] == str(file)


@pytest.mark.parametrize("model", ["rnn", "rnn-relu", "rnn-orth", "irnn"])
def test_export_and_import_give_the_same_bits(cli: Cli, model: str, tmp_path: Path) -> None:
    cli("train", "--model", model, "--task", "adding", *SMALL, *TRAIN, "--steps", "2", "--run-dir", "one")
    done = cli("ckpt", "export", "one", "model.safetensors", "--json")
    assert done.json()["convention"] == "torch.nn.RNN"
    metadata = read_weights(Path("model.safetensors")).metadata
    assert metadata["activation"] == ("relu" if model in ("rnn-relu", "irnn") else "tanh")
    again = cli("ckpt", "import", "model.safetensors", "--model", model, "--task", "adding", *SMALL, "--run-dir", "two")
    assert again.code == 0
    assert cli("ckpt", "export", "two", "again.safetensors").code == 0
    first, second = (read_weights(Path(name)).tensors for name in ("model.safetensors", "again.safetensors"))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    losses = [cli("eval", run, "--json", "-q").json()["test"]["loss"] for run in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_activation_goes_with_an_exported_file(cli: Cli) -> None:
    relu = ["--activation", "relu", "--steps", "1", "--run-dir", "one"]
    cli("train", "--model", "rnn", "--task", "adding", *SMALL, *TRAIN, *relu)
    cli("ckpt", "export", "one", "x.safetensors")
    cli("ckpt", "import", "x.safetensors", *ADDING, "--run-dir", "two")
    assert tomllib.loads(Path("two/config.toml").read_text())["activation"] == "relu"


@pytest.mark.parametrize(
    ("model", "options"), [("indrnn", ["--set", "norm=time"]), ("rnn", ["--activation", "modrelu"]), ("exprnn", [])]
)
def test_models_that_torch_lacks_have_our_names(cli: Cli, model: str, options: list[str], tmp_path: Path) -> None:
    args = ["--model", model, "--task", "adding", *SMALL]
    cli("train", *args, *TRAIN, *options, "--steps", "1", "--run-dir", "one")
    done = cli("ckpt", "export", "one", "x.safetensors", "--json")
    assert (done.code, done.json()["convention"]) == (0, "npr")
    again = cli("ckpt", "import", "x.safetensors", *args, "--run-dir", "two")
    assert again.code == 0
    one, two = (tensors(tmp_path / run) for run in ("one", "two"))
    kept = {name: value for name, value in two.items() if name.startswith("params/")}
    assert kept
    assert all(value in (one[name], one.get(f"best/{name}")) for name, value in kept.items())


def test_best_last_and_single_states(cli: Cli, tmp_path: Path) -> None:
    every = ["--set", "eval_every=1", "--set", "checkpoint_every=1", "--set", "keep=9"]
    cli("train", *ADDING, *TRAIN, *every, "--lr", "0.5", "--steps", "6", "--run-dir", "run")
    steps = {}
    for name, args in {"best": ["run"], "last": ["run", "--last"], "one": ["run/ckpt/step-00000002"]}.items():
        run, *flags = args
        steps[name] = cli("ckpt", "export", run, f"{name}.safetensors", *flags, "--json").json()["step"]
    best = cli("eval", "run", "--json", "-q").json()["best_step"]
    assert steps == {"best": best, "last": 6, "one": 2}
    W = read_weights(Path("one.safetensors")).tensors["rnn.weight_ih_l0"]
    held = read_weights(tmp_path / "run/ckpt/step-00000002/tensors.safetensors").tensors["params/layers.0.W_in"]
    np.testing.assert_array_equal(W, held.T)


def test_export_overwrites_only_when_told(cli: Cli, file: Path, tmp_path: Path) -> None:
    cli("ckpt", "import", file, *ADDING, "--run-dir", "run")
    place = tmp_path / "x.safetensors"
    place.write_text("precious")
    done = cli("ckpt", "export", "run", place)
    assert done.code == 3
    assert "--force" in done.err
    assert place.read_text() == "precious"
    assert cli("ckpt", "export", "run", place, "--force").code == 0
    assert read_weights(place).metadata["convention"] == "torch.nn.RNN"


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["run", "model.pt"], 3, "must end on .safetensors"),
        (["run", "no/folder/x.safetensors"], 5, "Cannot write"),
        (["elsewhere", "x.safetensors"], 3, "There is no run"),
        (["run/ckpt/step-00000009", "x.safetensors"], 5, "There is no checkpoint"),
        (["run"], 2, "FILE"),
    ],
)
def test_exports_that_cannot_be(cli: Cli, file: Path, args: list[str], code: int, said: str) -> None:
    cli("ckpt", "import", file, *ADDING, "--run-dir", "run")
    done = cli("ckpt", "export", *args)
    assert done.code == code
    assert said in done.err
    assert not Path("x.safetensors").exists()


def test_a_full_disk_leaves_the_old_file(cli: Cli, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("ckpt", "import", file, *ADDING, "--run-dir", "run")
    (tmp_path / "x.safetensors").write_text("precious")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Disk, "write", full)
    assert cli("ckpt", "export", "run", "x.safetensors", "--force").code == 5
    assert (tmp_path / "x.safetensors").read_text() == "precious"
    assert cli("ckpt", "import", file, *ADDING, "--run-dir", "other").code == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "run", "x.safetensors"]


def file_of(**changes: Any) -> bytes:
    """A safetensors file of `torch_rnn` with other sizes or tensors."""
    sizes = {key: changes.pop(key) for key in ("inputs", "outputs", "dtype") if key in changes}
    return made.safetensors(torch_rnn(**sizes) | {key.replace("__", "."): value for key, value in changes.items()})


BLOCKS = {"rnn__weight_hh_l0": np.ones((4 * H, H)), "rnn__weight_ih_l0": np.ones((4 * H, 2))}
REFUSED = {
    "missing": (None, [], 4, "No such file"),
    "pointer": (made.POINTER, [], 4, "git lfs pull"),
    "damaged": (made.zip_file(torch_rnn())[:-9], [], 4, "damaged zip file"),
    "code": (made.stream(made.call(("os", "system"), "touch payload")), [], 4, "'os.system'"),
    "NaN": (file_of(fc__bias=np.array([np.nan], np.float32)), [], 4, "'fc.bias'"),
    "other layout": (made.safetensors({"conv.weight": np.ones((2, 2))}), [], 3, "none of the layouts"),
    "blocks of an LSTM": (file_of(**BLOCKS), [], 3, "shape (5,), expected (20)"),
    "inputs of another task": (file_of(inputs=3), [], 3, "has 3 features per step, the task 'adding' has 2"),
    "outputs of another task": (file_of(outputs=4), [], 3, "has 4 outputs, the task 'adding' has 1"),
    "hidden size": (file_of(), ["--set", "hidden_size=9"], 3, "hidden_size = 9, but"),
    "activation": (file_of(), ["--set", "activation=sigmoid"], 3, "torch.nn.RNN has tanh or relu"),
    "unknown key": (file_of(), ["--set", "hidden=9"], 3, "Unknown key 'hidden'"),
    "beyond float32": (file_of(dtype=np.float64, fc__bias=np.array([1e300])), [], 3, "dtype=float64"),
    "another model": (file_of(), ["--model", "indrnn"], 3, "which is not the model 'indrnn'"),
    "no such model": (file_of(), ["--model", "rnm"], 2, "Did you mean"),
    "no such task": (file_of(), ["--task", "addition"], 2, "Available"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_imports_that_cannot_be(cli: Cli, name: str, tmp_path: Path) -> None:
    data, args, code, said = REFUSED[name]
    if data is not None:
        (tmp_path / "weights").write_bytes(data)
    done = cli("ckpt", "import", "weights", *ADDING, *args)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err
    assert {path.name for path in tmp_path.iterdir()} <= {"weights"}


def test_a_run_is_not_overwritten(cli: Cli, file: Path, tmp_path: Path) -> None:
    cli("ckpt", "import", file, *ADDING, "--run-dir", "run")
    before = tensors(tmp_path / "run")
    again = cli("ckpt", "import", file, *ADDING, "--run-dir", "run", "--set", "seed=2")
    assert again.code == 3
    assert "already holds a run" in again.err
    assert tensors(tmp_path / "run") == before


def test_float64_is_rounded_and_said_or_kept(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(made.old_file(torch_rnn(dtype=np.float64)))
    assert "rounded to float32" in cli("ckpt", "import", "x", *ADDING, "--run-dir", "one").err
    assert "rounded" not in cli("ckpt", "import", "x", *ADDING, "--set", "dtype=float64", "--run-dir", "two").err
    found = stored(tmp_path / "two")["params/layers.0.W_in"]
    np.testing.assert_array_equal(found, torch_rnn(dtype=np.float64)["rnn.weight_ih_l0"].T)
