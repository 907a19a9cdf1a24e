"""Imports into models with gates and into ResRNN, played by stand-ins with their parameter names; published weights."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import weight_files as made
from oracle_weight_maps import D, N, foreign

from npr import registry
from npr.errors import ConfigError
from npr.interop import export_run, import_run, read_weights, resrnn
from npr.interop.layouts import recognise
from npr.networks.vanilla import RNN
from npr.params import pack
from npr.training.checkpoint import load

O = 1
FLAGS = {"task": "adding", "preset": "none", "seq_len": 6, "validation_size": 8, "test_size": 8}


@dataclass(frozen=True)
class Gated(RNN):
    """Has the parameters of a gated model, and nothing else of it."""

    two_biases: bool = False
    gates: ClassVar[str] = ""
    apart: ClassVar[str] = ""

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> tuple[dict, dict]:
        n, params = self.hidden_size, {}
        for i in range(self.layers):
            for gate in self.gates:
                own = {"W_in": (n if i else self.input_size, n), "W_rec": (n, n), "bias": (n,)}
                if self.two_biases or gate in self.apart:
                    own["bias_rec"] = (n,)
                params |= {f"layers.{i}.{gate}.{key}": np.zeros(shape) for key, shape in own.items()}
        params |= {"readout.W": np.zeros((n, self.output_size)), "readout.bias": np.zeros(self.output_size)}
        return pack(params, dtype), {}

    def orthogonal(self, name: str) -> bool:
        return False


@dataclass(frozen=True)
class LSTM(Gated):
    gates: ClassVar[str] = "ifgo"


@dataclass(frozen=True)
class GRU(Gated):
    gates: ClassVar[str] = "rzn"
    apart: ClassVar[str] = "n"


@dataclass(frozen=True)
class ResRNN(RNN):
    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> tuple[dict, dict]:
        n = self.input_size + self.hidden_size
        shapes = {"s0": (self.hidden_size,), "W1": (n, n), "b1": (n,), "W2": (n, n), "b2": (n,)}
        return pack({resrnn.PREFIX + key: np.zeros(shape) for key, shape in shapes.items()}, dtype), {}

    def orthogonal(self, name: str) -> bool:
        return False


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, model in {"lstm": LSTM, "gru": GRU, "resrnn": ResRNN}.items():
        monkeypatch.setitem(registry.models._entries, name, model)


def imported(path: Path, arrays: dict[str, np.ndarray], **flags: Any) -> tuple[Path, dict[str, np.ndarray]]:
    """Run folder and parameters of an import."""
    (path / "weights").write_bytes(made.zip_file(arrays))
    run = Path(import_run(path / "weights", {**FLAGS, "run_dir": path / "run", **flags}).run)
    found = load(run / "ckpt/step-00000000").tensors
    return run, {name.removeprefix("params/"): value for name, value in found.items() if name.startswith("params/")}


def fitting(name: str) -> dict[str, np.ndarray]:
    """Tensors of two layers and one output, in float32."""
    arrays = {key: value.astype(np.float32) for key, value in foreign(name).items()}
    for key in list(arrays)[-2:]:
        arrays[key] = arrays[key][:O]
    return arrays


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("layout", ["torch-lstm", "char-rnn-lstm", "chainer-lstm", "torch-gru"])
def test_gated_models(layout: str, two: bool, tmp_path: Path) -> None:
    arrays = fitting(layout)
    expected = recognise(arrays)[1].params
    _, params = imported(tmp_path, arrays, model=layout.rpartition("-")[2], two_biases=two)
    for name, value in params.items():
        total = expected[name]
        if name.endswith(".bias") and not two and f"{name}_rec" not in params and name != "readout.bias":
            total = total + expected[f"{name}_rec"]
        np.testing.assert_array_equal(value, total)


@pytest.mark.parametrize(("layout", "model"), [("torch-lstm", "lstm"), ("torch-gru", "gru")])
def test_gated_models_are_written_with_the_names_of_torch(layout: str, model: str, tmp_path: Path) -> None:
    arrays = fitting(layout)
    run, _ = imported(tmp_path, arrays, model=model, two_biases=True)
    assert export_run(run, tmp_path / "x.safetensors").convention == f"torch.nn.{model.upper()}"
    found = read_weights(tmp_path / "x.safetensors")
    assert found.metadata["gates"] == ("i, f, g, o" if model == "lstm" else "r, z, n")
    given = list(arrays.values())
    assert all(np.array_equal(value, given[i]) for i, value in enumerate(in_order(found.tensors, model)))


def in_order(tensors: dict[str, np.ndarray], model: str) -> list[np.ndarray]:
    layers = [f"{model}.{kind}_l{i}" for i in range(2) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return [tensors[name] for name in (*layers, "readout.weight", "readout.bias")]


def test_a_model_with_other_parameters_is_refused_with_both_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GRU, "apart", "")
    with pytest.raises(ConfigError, match=r"layers\.0\.n\.bias_rec none \(file: \(4,\)\)"):
        imported(tmp_path, fitting("torch-gru"), model="gru")
    assert not (tmp_path / "run").exists()


def test_resrnn(tmp_path: Path) -> None:
    n = D + N
    arrays = {"initial_state": np.ones(N, np.float32)}
    for layer in ("fc1", "fc2"):
        arrays[f"res.{layer}.weight"] = np.random.default_rng(1).normal(size=(n, n)).astype(np.float32)
        arrays[f"res.{layer}.bias"] = np.zeros(n, np.float32)
    run, params = imported(tmp_path, arrays, model="resrnn")
    np.testing.assert_array_equal(params[resrnn.PREFIX + "W2"], arrays["res.fc2.weight"].T)
    assert export_run(run, tmp_path / "x.safetensors").convention == resrnn.ABOUT
    found = read_weights(tmp_path / "x.safetensors").tensors
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    "options", ["{", "[1]", "7", json.dumps({"run_dir": "/tmp/elsewhere", "lr": 9, "nonsense": 1})]
)
def test_metadata_decides_about_the_model_only(options: str, tmp_path: Path) -> None:
    arrays = {key.replace("net.lstm", "rnn"): value for key, value in fitting("torch-rnn").items()}
    metadata = {"model": "rnn", "activation": "relu", "options": options}
    (tmp_path / "x").write_bytes(made.safetensors(arrays, metadata))
    run = import_run(tmp_path / "x", {**FLAGS, "model": "rnn", "run_dir": tmp_path / "run"}).run
    config = load(Path(run) / "ckpt/step-00000000").config
    assert Path(run) == tmp_path / "run"
    assert (config["activation"], config["lr"]) == ("relu", 1e-3)


@pytest.mark.parametrize("flags", [{"model": "rnn"}, {"task": "adding"}])
def test_model_and_task_are_needed(flags: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="An import needs"):
        import_run(tmp_path / "x", flags)


def published() -> Path | None:
    """The weights of ResRNN of 200 units, where they lie among the data."""
    folder = os.environ.get("NPR_DATA_DIR")
    return next(Path(folder).rglob("mnist-1-200-10.98.78.pt"), None) if folder else None


@pytest.mark.skipif(published() is None, reason="mnist-1-200-10.98.78.pt of res-rnn is not below NPR_DATA_DIR")
def test_published_weights_of_resrnn() -> None:
    path = published()
    assert path is not None
    assert path.stat().st_size == 907 + 5 * 8 + 4 * 81_404
    name, network = recognise(read_weights(path).tensors)
    assert (name, network.input_size, network.options) == ("resrnn", 1, {"hidden_size": 200})
    assert sum(value.size for value in network.params.values()) == 81_404
    norms = {"W1": 984.46, "W2": 966.19, "b1": 186.97, "b2": 8.989, "s0": 0.19178}
    for key, norm in norms.items():
        assert np.linalg.norm(network.params[resrnn.PREFIX + key].astype(float)) == pytest.approx(norm, rel=1e-4)
    W1 = network.params[resrnn.PREFIX + "W1"]
    assert (W1.min(), W1.max()) == (pytest.approx(-50.1, abs=0.05), pytest.approx(25.5, abs=0.05))
