"""`npr bench --device cuda`: its cases, its peers, the whole way in the simulator; no time is asserted."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import numpy as np
import pytest
from bench_figures import KNOWN, OF_CPU

from npr.backends import get_backend
from npr.bench import cases, device, device_ceilings, processes, worker
from npr.bench.agreement import TF32_TOLERANCE, disagreement
from npr.bench.measure import Settings, measure
from npr.bench.run import chosen
from npr.bench.summary import missed, summarise
from npr.bench.table import table
from npr.errors import BackendError
from npr_cli.main import main

OF_DEVICE = cases.offered("cuda", KNOWN)
LSTM, SCAN = KNOWN["lstm-device-784x32-10x128"], KNOWN["elementwise-device-784x128-1024"]
TINY = ["bench", "--device", "cuda", "--tiny", "--threads", "1", "--rounds", "1", "--repeats", "1"]


@pytest.mark.parametrize("family", ["dense", "lstm", "gru"])
def test_a_device_has_the_sizes_of_its_goals(family):
    own = [case for case in OF_DEVICE.values() if cases.family(case) == family]
    assert {(case.seq_len, case.batch_size, case.hidden_size) for case in own} == {
        (784, batch, units) for batch in (32, 128) for units in (128, 256, 512, 1024)
    }
    assert {(case.goal_ratio, case.goal_share) for case in own} == {(1.0, 0.0)}


def test_the_scan_has_its_goal_on_a_device():
    own = [case for case in OF_DEVICE.values() if case.traffic]
    assert (784, 128, 1024, True) in {(c.seq_len, c.batch_size, c.hidden_size, c.forward) for c in own}
    assert {(c.goal_ratio, c.goal_share) for c in own if c.batch_size * c.hidden_size == 128 * 1024} == {(0.0, 0.8)}
    assert {(c.goal_ratio, c.goal_share) for c in own if c.batch_size * c.hidden_size < 128 * 1024} == {(0.0, 0.0)}


def test_each_device_has_its_cases():
    assert [case.name for case in chosen()] == list(OF_CPU)
    assert [case.name for case in chosen(device="cuda")] == list(OF_DEVICE)
    assert not OF_CPU.keys() & OF_DEVICE.keys()
    assert LSTM.name not in [case.name for case in chosen(["lstm"])]


def test_a_device_takes_a_case_of_the_cpu_without_its_goals():
    [found] = chosen(["dense-784x128-1x128"], device="cuda")
    assert (found.hidden_size, found.group, found.goal_ratio, found.goal_share) == (128, "", 0, 0)


def stand_in(job):
    """What a worker on a device answers, without one."""
    if job["task"] == "check":
        coarse = (job["library"], job["dtype"]) == ("torch-tf32", "float32")
        return np.savez(job["file"], loss=np.ones(1) + 1e-2 * coarse)
    if job["task"] == "device":
        return {"cuda": "13.0", "cudnn": 91000}
    if job["task"] == "ceilings":
        return {"fp32": 50e3, "copy": 4e3}
    seconds = {"npr": 0.1, "torch": 0.2, "torch-tf32": 0.05, "torch-graph": 0.15}[job["library"]]
    return {"seconds": [seconds], "peak": 5e6}


@pytest.fixture
def fake(monkeypatch):
    """Peers that are installed, and workers that answer without a process; what they were told."""
    told = []
    monkeypatch.setattr(processes, "work", lambda job: told.append(job) or stand_in(job))
    monkeypatch.setattr(processes, "missing", lambda library: "")
    return told


def test_peers_of_a_device_and_their_ratios(fake, capsys):
    assert main([*TINY, "--case", LSTM.name, "--case", SCAN.name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    lstm, scan = shown["cases"]
    assert (lstm["ms"].keys(), scan["ms"].keys()) == ({"npr", "torch", "torch-tf32"}, {"npr", "torch", "torch-graph"})
    assert (lstm["ratio"], scan["ratio"]) == (pytest.approx(2.0), pytest.approx(1.5))
    assert scan["of_copy"] == pytest.approx(scan["traffic"] / 0.1 / 4e12)
    assert lstm["absent"] == {"jax": "compared on the CPU only"}
    assert shown["device"] == {"target": "simulator", "torch": {"cuda": "13.0", "cudnn": 91000}}
    assert "--device cuda" in shown["command"]
    assert shown["tolerance"][LSTM.name]["float32, torch-tf32"] == TF32_TOLERANCE
    assert {job["device"] for job in fake if job["task"] in ("check", "time", "ceilings")} == {"cuda"}


def test_goals_of_a_device_are_judged_by_its_ceilings(fake):
    settings = Settings(rounds=1, repeats=1, device="cuda")
    *_, found = measure([LSTM, SCAN], settings, lambda line: None)
    *rows, low = (summarise([case], found, 1, KNOWN, "cuda") for case in (LSTM, replace(SCAN, goal_share=0.005), SCAN))
    assert [row["cases"][0]["held"] for row in rows] == [{"ratio": True, "share": None}, {"ratio": None, "share": True}]
    assert missed(low) == [f"{SCAN.name}: 1% of the copy, goal 80%"]
    told = {**low, "rounds": [0], "threads": 1, "dtype": "float32"}
    told["device"] = {
        "name": "a GPU",
        "capability": "90",
        "target": "numba-cuda",
        "torch": stand_in({"task": "device"}),
    }
    text = table(told)
    assert "| of copy |" in text
    assert "Device: a GPU, capability 90, target numba-cuda; PyTorch with CUDA 13.0, cuDNN 91000." in text


def test_coarse_products_of_tf32_cost_their_own_figures_alone(fake, monkeypatch):
    monkeypatch.setattr("npr.bench.measure.TF32_TOLERANCE", 1e-3)
    *_, found = measure([LSTM], Settings(rounds=1, repeats=1, device="cuda"), lambda line: None)
    assert "torch-tf32 in float32 is further than 0.001" in found["absent"][LSTM.name]["torch-tf32"]
    assert found["rounds"][0]["turns"][LSTM.name].keys() == {"npr", "torch"}


def test_torch_without_a_device_is_left_out(fake, monkeypatch, capsys):
    def work(job):
        return {"absent": "PyTorch finds no CUDA device"} if job["task"] == "device" else stand_in(job)

    monkeypatch.setattr(processes, "work", work)
    assert main([*TINY, "--case", LSTM.name]) == 0
    out = capsys.readouterr().out
    assert f"No torch: PyTorch finds no CUDA device ({LSTM.name})" in out
    assert f"No torch-tf32: PyTorch finds no CUDA device ({LSTM.name})" in out
    assert f"No jax: compared on the CPU only ({LSTM.name})" in out


def test_a_loop_that_cannot_be_captured_leaves_the_other_peer(fake, monkeypatch):
    def work(job):
        if job.get("library") == "torch-graph":
            raise processes.WorkerDied("died\n  operation not permitted when stream is capturing")
        return stand_in(job)

    monkeypatch.setattr(processes, "work", work)
    *_, found = measure([SCAN], Settings(rounds=1, repeats=1, device="cuda"), lambda line: None)
    assert found["absent"][SCAN.name]["torch-graph"] == "operation not permitted when stream is capturing"
    assert found["rounds"][0]["turns"][SCAN.name].keys() == {"npr", "torch"}


def test_no_device_is_exit_8_before_any_worker(fake, monkeypatch, capsys):
    def none(*_):
        raise BackendError("no NVIDIA device")

    monkeypatch.setattr(device, "get_backend", none)
    assert main([*TINY, "--case", LSTM.name]) == 8
    assert "no NVIDIA device" in capsys.readouterr().err
    assert fake == []


def test_the_whole_way_in_the_simulator(capsys):
    assert main([*TINY, "--case", LSTM.name, "--case", "elementwise-device-784x32-128", "--alone", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["ms"].keys() for row in found["cases"]] == [{"npr"}, {"npr"}]
    assert found["ceilings"].keys() == {"fp32", "copy"}
    assert all(0 < errors["float32"]["npr"] < 1e-4 for errors in found["disagreement"].values())


def test_ceilings_of_the_simulator_are_rates():
    assert all(rate > 0 for rate in device_ceilings.ceilings(repeats=1).values())


@pytest.mark.parametrize("name", ["indrnn-device-784x32", "update-device-exprnn-copy-128x128", SCAN.name])
def test_a_step_on_a_device_gives_what_it_gives_on_the_cpu(name):
    case = KNOWN[name].tiny_on("cuda")
    drawn, library = (importlib.import_module(f"npr.bench.{part}.{cases.family(case)}") for part in ("problems", "own"))
    problem = drawn.draw(case, 1, "float64")
    place = importlib.import_module("npr.bench.own.device")
    step = place.prepare(library, problem._replace(device="cuda"), 1, "npr", {})
    host = library.prepare(problem, 1)
    found = step.collect(step.run())
    assert max(disagreement(found, host.collect(host.run())).values()) < 1e-10
    assert {type(value) for value in found.values()} == {np.ndarray}
    assert step.held() == 0


GRAPHS = ["indrnn-device-784x32", "indrnn-norm-784x32", SCAN.name, f"{SCAN.name}-forward"]
GRAPHS += ["update-device-exprnn-copy-128x128", "update-nnrnn-copy-128", "orthogonal-rnn-orth-ptb-1024"]


@pytest.mark.parametrize("name", GRAPHS)
def test_the_loop_that_a_graph_captures_computes_what_npr_computes(name, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed (pip install -e '.[bench]')")
    case = KNOWN[name].tiny()
    problem, own, peer = (
        importlib.import_module(f"npr.bench.{part}.{cases.family(case)}") for part in ("problems", "own", "torch_peer")
    )
    seen = []

    def warmed(step, place):
        seen.append(place)
        for _ in range(3):
            step()
        return step

    for module in ("leaf_step", "elementwise", "update"):
        monkeypatch.setattr(f"npr.bench.torch_peer.{module}.captured", warmed)
    drawn = problem.draw(case, 1, "float64")
    captured, host = peer.prepare(drawn, 1, **worker.OPTIONS["torch-graph"]), own.prepare(drawn, 1)
    errors = disagreement(captured.collect(captured.run()), host.collect(host.run()))
    assert max(errors.values()) < 1e-7, errors
    assert seen == ["cpu"]


def test_torch_says_whether_it_finds_a_device():
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install -e '.[bench]')")
    found = processes.work({"task": "device", "library": "torch", "threads": 1})
    assert ("absent" in found) is not torch.cuda.is_available()


def test_tf32_is_allowed_for_its_peer_alone():
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install -e '.[bench]')")
    place = importlib.import_module("npr.bench.torch_peer.device")
    for allowed in (True, False):
        place.allow_tf32(allowed)
        assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is allowed


def test_versions_of_cuda_are_read():
    assert (device.version(13020), device.version(12000)) == ("13.2", "12.0")


def test_the_simulator_is_a_device_of_the_bench():
    assert device.describe(1, alone=True) == {**get_backend("cuda").describe(), "torch": {"absent": "left out"}}
