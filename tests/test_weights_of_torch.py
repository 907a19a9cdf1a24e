"""Files that torch itself writes, and torch running the files that npr writes: the same outputs.

PyTorch is no dependency of the project; where it is missing these tests say so and are skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install -e '.[bench]')")

from oracle_weight_maps import B, D, N, O, T, X, ours  # noqa: E402

from npr.backends import get_backend  # noqa: E402
from npr.context import Context  # noqa: E402
from npr.interop import export_run, import_run, read_weights  # noqa: E402
from npr.interop.biases import joined  # noqa: E402
from npr.interop.layouts import recognise  # noqa: E402
from npr.training import fit, resolve  # noqa: E402
from npr.training.checkpoint import load  # noqa: E402
from npr.training.config import Config  # noqa: E402
from npr.training.run_folder import read_config  # noqa: E402

KINDS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class Net(torch.nn.Module):
    """Recurrent layers and a readout of the last state, with the attributes that our exported names fit."""

    def __init__(self, kind: str, sizes: tuple[int, int, int], layers: int = 2, **options: Any) -> None:
        super().__init__()
        setattr(self, kind, KINDS[kind](sizes[0], sizes[1], num_layers=layers, **options))
        self.readout = torch.nn.Linear(sizes[1], sizes[2])
        self.kind = kind

    def forward(self, x):
        return self.readout(getattr(self, self.kind)(x)[0][-1])


def made(kind: str, dtype=torch.float64, **options: Any) -> Net:
    torch.manual_seed(1)
    return Net(kind, (D, N, O), **options).to(dtype)


SAVED = {
    "zip": {},
    "old": {"_use_new_zipfile_serialization": False},
}


@pytest.mark.parametrize("form", SAVED)
@pytest.mark.parametrize("kind", KINDS)
def test_saved_state_dicts_compute_the_same(kind: str, form: str, tmp_path: Path) -> None:
    net = made(kind)
    torch.save(net.state_dict(), tmp_path / "x.pt", **SAVED[form])
    name, network = recognise(read_weights(tmp_path / "x.pt").tensors)
    assert name == f"torch-{kind}"
    expected = net(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(ours(network.params), expected, rtol=1e-10)
    apart = ("n",) if kind == "gru" else ()
    names = [key for key in network.params if "bias_rec" not in key or key.endswith("n.bias_rec")]
    np.testing.assert_allclose(ours(joined(network.params, names, apart)), expected, rtol=1e-10)


@pytest.mark.parametrize("form", SAVED)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32"])
def test_every_type(dtype: str, form: str, tmp_path: Path) -> None:
    value = torch.arange(-3, 9).reshape(3, 4).to(getattr(torch, dtype))
    parts = {"a": value.T, "p": torch.nn.Parameter(value.clone(), requires_grad=False)}
    torch.save(parts, tmp_path / "x.pt", **SAVED[form])
    wide = value.float() if dtype in ("float16", "bfloat16") else value
    found = read_weights(tmp_path / "x.pt").tensors
    np.testing.assert_array_equal(found["a"], wide.T.numpy())
    np.testing.assert_array_equal(found["p"], wide.numpy())
    assert found["a"].dtype == wide.numpy().dtype


def test_a_training_script_s_checkpoint(tmp_path: Path) -> None:
    net = made("gru")
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.tensor(X)).sum().backward()
    optimizer.step()
    torch.save({"epoch": 3, "model": net.state_dict(), "args": ["x"], "loss": 0.5}, tmp_path / "x.pt")
    contents = read_weights(tmp_path / "x.pt")
    assert contents.tensors.keys() == net.state_dict().keys()
    assert "'model'" in contents.notes[0]


def outputs(run: Path, x: np.ndarray) -> np.ndarray:
    """Outputs of the newest parameters of a run by npr."""
    stored = load(run / (run / "latest").read_text().strip())
    config: Config = read_config(run)
    params = {
        name.removeprefix("params/"): value for name, value in stored.tensors.items() if name.startswith("params/")
    }
    return config.build().model.forward(Context(get_backend("cpu")), params, {}, x).output


CONFIG = {
    "task": "adding",
    "preset": "none",
    "seq_len": 9,
    "validation_size": 8,
    "test_size": 8,
    "steps": 3,
    "hidden_size": 7,
    "layers": 2,
    "batch_size": 4,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", ["rnn", "rnn-relu", "rnn-orth", "irnn"])
def test_torch_computes_what_a_trained_run_computes(model: str, dtype: str, tmp_path: Path) -> None:
    run = fit(resolve({**CONFIG, "model": model, "dtype": dtype, "lr": 0.05}), run=tmp_path / "run").run
    export_run(run, tmp_path / "x.safetensors", last=True)
    arrays = {name: torch.tensor(value) for name, value in read_weights(tmp_path / "x.safetensors").tensors.items()}
    net = Net("rnn", (2, 7, 1), nonlinearity="relu" if model in ("rnn-relu", "irnn") else "tanh")
    net.to(getattr(torch, dtype)).load_state_dict(arrays)
    x = np.random.default_rng(2).normal(size=(T, B, 2)).astype(dtype)
    found = net(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(outputs(Path(run), x), found, rtol=1e-4 if dtype == "float32" else 1e-9, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_an_imported_run_computes_what_torch_computes(bias: bool, tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = Net("rnn", (2, 6, 1), nonlinearity="relu", bias=bias)
    torch.save(net.state_dict(), tmp_path / "x.pt")
    flags = {"model": "rnn-relu", "task": "adding", "preset": "none", "run_dir": str(tmp_path / "run")}
    run = import_run(tmp_path / "x.pt", flags).run
    x = np.random.default_rng(2).normal(size=(T, B, 2)).astype(np.float32)
    np.testing.assert_allclose(outputs(Path(run), x), net(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_tensors_load_with_the_library_of_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    run = fit(resolve({**CONFIG, "model": "rnn"}), run=tmp_path / "run").run
    export_run(run, tmp_path / "x.safetensors")
    found = safetensors.load_file(tmp_path / "x.safetensors")
    for name, value in read_weights(tmp_path / "x.safetensors").tensors.items():
        np.testing.assert_array_equal(found[name].numpy(), value)
