"""Training on a CUDA device, simulated where there is none: the figures of the CPU, and runs that change the device."""

from __future__ import annotations

import numpy as np
import pytest
from test_image_stream import PART
from watching import Recorder, newest, rows

from npr.backends import get_backend
from npr.backends.simulated import DeviceArray
from npr.tasks.stored import StoredDataset
from npr.training import evaluate, fit, resolve, resume
from npr.training.checkpoint import load
from npr.training.inspecting import place_of_run

TINY = {"preset": "none", "hidden_size": 4, "batch_size": 3, "threads": 1, "seed": 3}
OFTEN = {"steps": 4, "eval_every": 2, "checkpoint_every": 1, "log_every": 1, "keep": 9}
ADDING = {"task": "adding", "seq_len": 6, "validation_size": 5, "test_size": 4}
COPY = {"task": "copy", "delay": 3, "validation_size": 5, "test_size": 4}
RUNS = {
    "indrnn": {"model": "indrnn", **ADDING, "layers": 2, "norm": "time", "dropout": 0.2, "optimizer": "adam"},
    "exprnn": {"model": "exprnn", **COPY, "optimizer": "rmsprop", "clip_norm": 1.0},
    "lstm": {"model": "lstm", **COPY, "optimizer": "sgd", "momentum": 0.9, "lr": 0.1, "weight_decay": 1e-3},
    "plain sgd": {"model": "irnn", **COPY, "optimizer": "sgd", "lr": 0.1},
    "rmsprop of TF1": {"model": "rnn", **COPY, "optimizer": "rmsprop", "rmsprop_form": "tf1", "momentum": 0.5},
    "dtriv": {"model": "exprnn", **COPY, "rebase_every": 2, "bptt_checkpoint": 2},
    "nnrnn": {"model": "nnrnn", **COPY, "optimizer": "rmsprop", "lr_orth": 1e-4},
}


def _fit(name, folder, **changes):
    return fit(resolve({**TINY, **OFTEN, **RUNS[name], **changes}), run=folder)


def _close(found, wanted):
    """The rows of two runs, but for times and the last digits."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for key in one.keys() - {"seconds", "examples_per_second", "device"}:
            assert one[key] == pytest.approx(other[key], rel=2e-4, abs=2e-5), key


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_the_device_has_the_figures_of_the_cpu(name, tmp_path):
    _fit(name, tmp_path / "cpu")
    _fit(name, tmp_path / "cuda", device="cuda")
    _close(rows(tmp_path / "cuda"), rows(tmp_path / "cpu"))
    one, other = newest(tmp_path / "cuda"), newest(tmp_path / "cpu")
    assert one.tensors.keys() == other.tensors.keys()
    for key, value in other.tensors.items():
        assert type(one.tensors[key]) is np.ndarray
        np.testing.assert_allclose(one.tensors[key], value, rtol=2e-3, atol=2e-5, err_msg=key)


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_checkpoint_goes_on_on_another_device(first, second, tmp_path):
    _fit("indrnn", tmp_path / "whole")
    _fit("indrnn", tmp_path / "moved", steps=2, device=first)
    resume(tmp_path / "moved", {"steps": 4, "device": second})
    wanted, found = rows(tmp_path / "whole"), rows(tmp_path / "moved")
    assert found[-1]["loss"] == pytest.approx(wanted[-1]["loss"], rel=1e-4)
    assert load(tmp_path / "moved" / "ckpt" / "step-00000004").config["device"] == second


def test_a_stopped_run_on_the_device_ends_in_the_same_bits(tmp_path):
    _fit("indrnn", tmp_path / "whole", device="cuda")
    _fit("indrnn", tmp_path / "stopped", device="cuda", steps=2)
    resume(tmp_path / "stopped", {"steps": 4})
    one, other = newest(tmp_path / "whole"), newest(tmp_path / "stopped")
    for key, value in one.tensors.items():
        np.testing.assert_array_equal(other.tensors[key], value, err_msg=key)


def test_a_run_of_the_device_is_measured_on_the_cpu(tmp_path):
    _fit("lstm", tmp_path, device="cuda", tf32=True)
    here = evaluate(tmp_path, "test", changes={"device": "cpu"})["test"]
    assert here["loss"] == pytest.approx(evaluate(tmp_path, "test")["test"]["loss"], rel=1e-5)


def test_a_run_of_the_device_is_inspected_without_one(tmp_path, monkeypatch):
    _fit("lstm", tmp_path, device="cuda")
    monkeypatch.setattr("npr.backends.cuda.target", lambda: pytest.fail("a device was asked for"))
    assert place_of_run(tmp_path).parts.backend.name == "cpu"


def test_a_simulated_device_is_told(tmp_path):
    events = Recorder()
    fit(resolve({**TINY, **RUNS["lstm"], "steps": 1, "device": "cuda"}), events, tmp_path)
    assert "is simulated" in events.messages[0]


def test_series_of_a_run_on_the_device_are_stored(tmp_path):
    _fit("indrnn", tmp_path, device="cuda", inspect_every=2, steps=2)
    assert list((tmp_path / "inspect").iterdir())


def test_images_lie_on_the_device_as_bytes():
    here = PART.batch(np.array([2, 0, 1]), np.float32)
    there = PART.moved(get_backend("cuda").put)
    assert there.pixels.dtype == np.uint8
    batch = there.batch(np.array([2, 0, 1]), np.float32)
    assert isinstance(batch.x, DeviceArray)
    np.testing.assert_array_equal(batch.x.get(), here.x)
    np.testing.assert_array_equal(batch.target.get(), here.target)
    assert batch.x.dtype == np.float32
    assert batch.target.dtype == here.target.dtype


def test_a_data_set_of_images_moves_to_the_device_and_keeps_its_order():
    dataset = StoredDataset("images", {"train": PART}, {})
    there = dataset.moved(get_backend("cuda").put)
    one, other = dataset.train_stream(2, 1), there.train_stream(2, 1)
    for _ in range(4):
        np.testing.assert_array_equal(other.next().x.get(), one.next().x)
    assert other.state() == one.state()
