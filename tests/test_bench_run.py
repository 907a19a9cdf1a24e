"""`npr bench` from cases to table: rounds, absent peers, workers that die, exit codes; no time is asserted."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from bench_figures import INDRNN, KNOWN, OF_CPU

from npr.bench import cases, machine, processes, worker
from npr.bench.measure import Settings, measure
from npr.errors import ConfigError, NprError
from npr_cli.main import main

TINY = ["bench", "--tiny", "--threads", "1", "--rounds", "1", "--repeats", "2"]


def stand_in(job):
    """What a worker answers, without one: libraries that agree, and npr twice as fast as its peers."""
    if job["task"] == "check":
        return np.savez(job["file"], loss=np.ones(1))
    if job["task"] == "ceilings":
        return {"tile_1": 200.0, "triad_1": 20.0}
    return {"seconds": [0.1 if job["library"] == "npr" else 0.2] * job["repeats"], "peak": 5e6}


@pytest.fixture
def fake(monkeypatch):
    """Peers that are installed, and workers that answer without a process; what they were told."""
    told = []

    def work(job):
        told.append(job)
        return stand_in(job)

    monkeypatch.setattr(processes, "work", work)
    monkeypatch.setattr(processes, "missing", lambda library: "")
    return told


@pytest.mark.parametrize("family", sorted({cases.family(case) for case in KNOWN.values()}))
def test_family_goes_from_cases_to_table(family, fake, capsys):
    assert main([*TINY, "--case", family]) == 0
    out, err = capsys.readouterr()
    names = [name for name, case in OF_CPU.items() if cases.family(case) == family]
    assert [line.split(" | ")[0].strip("| ") for line in out.splitlines()[2 : 2 + len(names)]] == names
    assert "2.00 (2.00-2.00)" in out
    assert "differences from torch's float64" in err


def test_document_says_how_to_measure_again(fake, capsys, tmp_path):
    file = tmp_path / "found.json"
    assert main([*TINY, "--case", "dense-copy*", "--json", "-q", "-o", str(file)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert json.loads(file.read_text(encoding="utf-8")) == shown
    assert shown["command"].startswith("npr bench --case 'dense-copy*' --tiny ")
    assert all(f"--{word}" in shown["command"] for word in ("rounds 1", "repeats 2", "threads 1", "seed 0"))
    assert {"machine", "versions", "seed", "tolerance", "ceilings", "cases", "groups", "rounds"} <= shown.keys()
    assert "device" not in shown
    assert "--device" not in shown["command"]
    assert shown["tolerance"]["dense-copy-220x10-10x128"] == {"float64": 1e-8, "float32": 1e-4}


def test_libraries_take_turns_in_both_directions(fake):
    after = list(measure([INDRNN], Settings(rounds=2, repeats=1), lambda line: None))
    assert [len(found["rounds"]) for found in after] == [0, 1, 2]
    turns = [job["library"] for job in fake if job["task"] == "time"]
    assert turns == [*(order := ["npr", "torch", "torch.compile", "jax"]), *order[::-1]]
    assert [job["task"] for job in fake].index("ceilings") > max(n for n, job in enumerate(fake) if "dtype" in job)


def test_worker_builds_the_case_it_is_told_about():
    case = KNOWN["update-nnrnn-copy-float32"].tiny()
    told = json.loads(json.dumps(Settings().job(case, "check", "npr")))
    assert type(case)(**told["case"]) == case
    assert told["family"] == "update"


def test_planted_error_is_exit_7_and_nothing_is_timed(fake, monkeypatch, capsys):
    def wrong(job):
        assert job["task"] == "check"
        off = 1e-3 * (job["library"] == "jax" and job["dtype"] == "float32")
        np.savez(job["file"], loss=np.ones(1), u=np.full(3, 1.0 + off))

    monkeypatch.setattr(processes, "work", wrong)
    assert main([*TINY, "--case", "dense-copy-220x10-10x128"]) == 7
    assert "jax in float32 is further than 0.0001 from torch in float64: {'u': '1.0e-03'}" in capsys.readouterr().err
    assert main([*TINY, "--case", "dense-copy-220x10-10x128", "--rounds", "0", "--tolerance", "0.01"]) == 0
    assert "Cases that agree: 1" in capsys.readouterr().out


def test_missed_goal_is_exit_7_where_asked_for(fake, capsys):
    asked = ["bench", "--case", "dense-784x128-1x128", "--threads", "1", "--rounds", "1", "--repeats", "1", "-q"]
    assert main(asked) == 0
    assert ">= 4.085x MISSED" in capsys.readouterr().out
    assert main([*asked, "--goals"]) == 7
    assert "2.00 times the best peer, goal 4.08" in capsys.readouterr().err


def test_peer_that_is_not_installed_is_told_and_npr_is_timed(fake, monkeypatch, capsys):
    monkeypatch.setattr(processes, "missing", lambda library: "" if library == "npr" else f"no {library} here")
    assert main([*TINY, "--case", "dense-copy-220x10-10x128"]) == 0
    out = capsys.readouterr().out
    assert "No torch: no torch here (dense-copy-220x10-10x128)" in out
    assert "| - |" in out


def test_missing_package_is_explained(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert processes.missing("torch.compile") == "torch is not installed: pip install -e '.[bench]'"


def test_a_worker_that_never_ends_is_ended(monkeypatch):
    monkeypatch.setattr(processes, "LIMIT", 0.1)
    with pytest.raises(processes.WorkerDied, match=r"worker of npr on no case \(task ceilings\) took longer"):
        processes.work({"task": "ceilings", "threads": 1, "device": "cpu"})


def test_compiler_that_fails_leaves_the_other_peers(fake, monkeypatch):
    def work(job):
        if job.get("library") == "torch.compile":
            raise processes.WorkerDied("died\n  no C++ compiler")
        return stand_in(job)

    monkeypatch.setattr(processes, "work", work)
    *_, found = measure([INDRNN], Settings(rounds=1, repeats=1), lambda line: None)
    assert found["absent"][INDRNN.name] == {"torch.compile": "no C++ compiler"}
    assert found["rounds"][0]["turns"][INDRNN.name].keys() == {"npr", "torch", "jax"}


def test_peer_that_fails_stops_the_bench(fake, monkeypatch):
    def work(job):
        if job.get("library") == "jax":
            raise processes.WorkerDied("died")
        return stand_in(job)

    monkeypatch.setattr(processes, "work", work)
    with pytest.raises(NprError, match="died"):
        list(measure([INDRNN], Settings(rounds=1), lambda line: None))


def test_worker_that_dies_is_told_with_its_stderr():
    job = {"task": "check", "family": "unheard_of", "library": "npr", "case": {"name": "made-up"}, "threads": 1}
    with pytest.raises(processes.WorkerDied, match=r"npr on made-up \(task check\) ended with exit code 1") as died:
        processes.work(job)
    assert "No module named 'npr.bench.problems.unheard_of'" in str(died.value)


def test_worker_that_is_killed_is_told(monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=-9, stderr="", stdout=""))
    with pytest.raises(processes.WorkerDied, match=r"killed by SIGKILL\. Memory may have run out"):
        processes.work({"task": "ceilings", "threads": 1})


def test_more_threads_than_cores_are_refused(capsys):
    assert main(["bench", "--case", "text", "--threads", str(machine.cores() + 1)]) == 3
    assert "cores" in capsys.readouterr().err


def test_output_needs_a_folder(tmp_path, capsys):
    assert main([*TINY, "-o", str(tmp_path / "none" / "a.json")]) == 3
    assert "there is no folder" in capsys.readouterr().err


def test_unknown_case_is_exit_3(capsys):
    assert main(["bench", "--case", "gru-9x9"]) == 3
    assert "Unknown case 'gru-9x9'" in capsys.readouterr().err


def test_list_runs_nothing(capsys):
    assert main(["bench", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(OF_CPU)
    assert main(["bench", "--list", "--case", "update", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [name for name in OF_CPU if name.startswith("update-")]
    assert all(row["flops"] and row["peers"] and row["traffic"] == 0 for row in rows)


def test_settings_take_a_tolerance_for_float32():
    assert Settings(tolerance=0.5).tolerances(INDRNN) == {"float64": 1e-8, "float32": 0.5}


def test_peak_memory_is_that_of_this_process():
    before = machine.peak_memory()
    held = np.ones(16_000_000)
    assert machine.peak_memory() >= before
    assert machine.peak_memory() >= held.nbytes


def test_tiny_case_runs_end_to_end_without_peers(capsys):
    assert main([*TINY, "--case", "indrnn-100x50", "--alone", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    row = found["cases"][0]
    assert row["ms"].keys() == {"npr"}
    assert row["ratio"] is None
    assert row["absent"].keys() == {"torch", "torch.compile", "jax"}
    assert row["peak_mb"]["npr"] > 10
    assert found["ceilings"].keys() == {"tile_1", "sgemm_2048_1", "triad_1"}


def test_configuration_error_is_raised_by_the_library_too():
    from npr.bench.run import chosen

    with pytest.raises(ConfigError, match="Unknown case"):
        chosen(["none"])


def test_every_library_has_a_folder():
    assert {peer for case in KNOWN.values() for peer in case.peers} <= worker.FOLDERS.keys()
