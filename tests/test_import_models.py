"""Imports into models with gates and into ResRNN; published weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weight_files as made
from oracle_weight_maps import D, N, foreign

from npr.errors import ConfigError
from npr.interop import export_run, import_run, read_weights, resrnn
from npr.interop.layouts import recognise
from npr.training import evaluate
from npr.training.checkpoint import load

O = 1
FLAGS = {"task": "adding", "preset": "none", "seq_len": 6, "validation_size": 8, "test_size": 8}


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
    model = layout.rpartition("-")[2]
    _, params = imported(tmp_path, arrays, model=model, **({"two_biases": two} if model == "lstm" else {}))
    for name, value in params.items():
        total = expected[name]
        if name.endswith(".bias") and f"{name}_rec" not in params and name != "readout.bias":
            total = total + expected[f"{name}_rec"]
        np.testing.assert_array_equal(value, total)


@pytest.mark.parametrize(("layout", "model"), [("torch-lstm", "lstm"), ("torch-gru", "gru")])
def test_gated_models_are_written_with_the_names_of_torch(layout: str, model: str, tmp_path: Path) -> None:
    arrays = fitting(layout)
    run, _ = imported(tmp_path, arrays, model=model, **({"two_biases": True} if model == "lstm" else {}))
    assert export_run(run, tmp_path / "x.safetensors").convention == f"torch.nn.{model.upper()}"
    found = read_weights(tmp_path / "x.safetensors")
    assert found.metadata["gates"] == ("i, f, g, o" if model == "lstm" else "r, z, n")
    given, written = list(arrays.values()), in_order(found.tensors, model)
    if model == "lstm":
        assert all(np.array_equal(value, given[i]) for i, value in enumerate(written))
        return
    # Only the candidate has two biases here: those of r and z come back as their sum.
    for i, value in enumerate(written):
        second = i % 4 == 3 and i < 8
        blocks = slice(2 * N, None) if i % 4 >= 2 and i < 8 else slice(None)
        np.testing.assert_array_equal(value[blocks], given[i][blocks])
        if second:
            assert not value[: 2 * N].any()
            np.testing.assert_array_equal(written[i - 1][: 2 * N], (given[i - 1] + given[i])[: 2 * N])


def in_order(tensors: dict[str, np.ndarray], model: str) -> list[np.ndarray]:
    layers = [f"{model}.{kind}_l{i}" for i in range(2) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return [tensors[name] for name in (*layers, "readout.weight", "readout.bias")]


def test_a_model_with_other_parameters_is_refused_with_both_lists(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"layers\.0\.n\.bias_rec none \(file: \(4,\)\)"):
        imported(tmp_path, fitting("torch-gru"), model="gru", reset="before")
    assert not (tmp_path / "run").exists()


def stream(inputs: int, units: int) -> dict[str, np.ndarray]:
    """Small weights of ResRNN."""
    rng, n = np.random.default_rng(1), inputs + units
    shapes = {"res.fc1.weight": (n, n), "res.fc1.bias": (n,), "res.fc2.weight": (n, n), "res.fc2.bias": (n,)}
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return {"initial_state": np.ones(units, np.float32), **drawn}


def test_resrnn(tmp_path: Path) -> None:
    arrays = stream(D, N)
    run, params = imported(tmp_path, arrays, model="resrnn")
    np.testing.assert_array_equal(params[resrnn.PREFIX + "W2"], arrays["res.fc2.weight"].T)
    assert export_run(run, tmp_path / "x.safetensors").convention == resrnn.ABOUT
    found = read_weights(tmp_path / "x.safetensors").tensors
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_weights_of_resrnn_keep_their_linearity(tmp_path: Path) -> None:
    text = tmp_path / "lines.txt"
    text.write_text("\n".join(f"line {i}" for i in range(400)))
    flags = {"task": "bytes", "model": "resrnn", "preset": "laptop", "data": str(text), "batch_size": 4}
    (tmp_path / "theirs").write_bytes(made.zip_file(stream(8, 10)))
    # The preset has another linearity, under which the published weights overflow.
    run = import_run(tmp_path / "theirs", {**flags, "run_dir": tmp_path / "a"}).run
    assert load(Path(run) / "ckpt/step-00000000").config["linearity"] == 0.99999
    run = import_run(tmp_path / "theirs", {**flags, "run_dir": tmp_path / "b", "linearity": 0.7}).run
    export_run(Path(run), tmp_path / "ours.safetensors")
    run = import_run(tmp_path / "ours.safetensors", {**flags, "run_dir": tmp_path / "c"}).run
    assert load(Path(run) / "ckpt/step-00000000").config["linearity"] == 0.7


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


@pytest.mark.skipif(published() is None, reason="mnist-1-200-10.98.78.pt of res-rnn is not below NPR_DATA_DIR")
def test_published_weights_of_resrnn_read_the_digits_as_published(tmp_path: Path) -> None:
    flags = {"model": "resrnn", "task": "smnist", "preset": "laptop", "run_dir": tmp_path / "run"}
    measured = evaluate(import_run(str(published()), flags).run, "test")["test"]
    assert round(measured["accuracy"] * 10_000) == pytest.approx(9878, abs=2)
    assert measured["loss"] == pytest.approx(1.144e-3, rel=2e-3)
