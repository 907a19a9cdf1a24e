"""The run folder: numbers, lock, configuration, metrics with a torn tail, finding a run again."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import fakes
import pytest

from npr.errors import ConfigError, RunBusyError, StorageError
from npr.training import RunFolder, find_run
from npr.training.metrics import MetricsLog, read_rows
from npr.training.provenance import git_commit, provenance
from npr.training.result import Result, read_result, write_result
from npr.training.run_folder import METRICS, in_training, read_config
from npr.training.run_lookup import runs
from npr.training.storage import Disk

HOLD = """
import sys, time
from pathlib import Path
from npr.training import RunFolder
run = RunFolder(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""
ROWS = [{"step": step, "loss": 1 / step} for step in (10, 20, 30)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str) -> Path:
    path = Path("runs") / name
    path.mkdir(parents=True)
    (path / "config.toml").write_text("")
    return path


def number_of_new_run(folder: str) -> str:
    import os

    os.chdir(folder)
    with RunFolder.create(None, "indrnn-pmnist") as run:
        return run.path.name


def test_new_runs_are_numbered(here: Path) -> None:
    make("0003-irnn-copy")
    paths = []
    for _ in range(2):
        with RunFolder.create(None, "indrnn-pmnist") as run:
            paths.append(run.path.as_posix())
    assert paths == ["runs/0004-indrnn-pmnist", "runs/0005-indrnn-pmnist"]


def test_processes_never_share_a_number(here: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(number_of_new_run, [str(here)] * 6)
    assert sorted(found) == [f"{number:04d}-indrnn-pmnist" for number in range(1, 7)]


def test_a_given_folder_is_the_run_folder_itself(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "a" / "b", "indrnn-pmnist") as run:
        assert run.path == tmp_path / "a" / "b"
        assert run.path.is_dir()


def test_a_folder_with_other_files_can_become_a_run(tmp_path: Path) -> None:
    (tmp_path / "slurm.out").write_text("")
    with RunFolder.create(tmp_path, "x") as run:
        run.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["slurm.out"]


def test_a_folder_made_in_vain_disappears(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path / "new", "x") as run:
        run.discard()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("entry", ["config.toml", "metrics.jsonl", "ckpt"])
def test_a_folder_that_holds_a_run_is_not_taken(tmp_path: Path, entry: str) -> None:
    (tmp_path / entry).mkdir()
    with pytest.raises(ConfigError, match="npr resume"):
        RunFolder.create(tmp_path, "x")
    RunFolder(tmp_path).close()


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        RunFolder.create(tmp_path / path, "x")
    assert str(tmp_path / "file") in str(caught.value)


def test_a_second_process_is_refused_within_a_second(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        begin = time.monotonic()
        with pytest.raises(RunBusyError) as caught:
            RunFolder.create(tmp_path, "x")
        assert time.monotonic() - begin < 1
        assert caught.value.exit_code == 73
    finally:
        holder.kill()
        holder.wait()


def test_the_lock_of_a_killed_process_is_gone(tmp_path: Path) -> None:
    assert not in_training(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert in_training(tmp_path)
    holder.kill()
    holder.wait()
    assert (tmp_path / "lock").exists()
    assert not in_training(tmp_path)
    with RunFolder.create(tmp_path, "x") as run:
        assert run.path == tmp_path


def test_who_asks_for_a_training_disturbs_none(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "x"):
        pass
    # Another process asks at the same time, and holds its own shared lock while we do.
    with open(tmp_path / "lock") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not in_training(tmp_path)
        # It lets go long before a training that begins would give up.
        threading.Timer(0.1, other.close).start()
        with RunFolder.create(tmp_path, "x"):
            assert in_training(tmp_path)


def test_a_lock_that_cannot_be_asked_may_be_held(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    assert in_training(tmp_path)


def test_the_configuration_comes_back(tmp_path: Path) -> None:
    config = fakes.config(seed=5, lr=0.25)
    with RunFolder.create(tmp_path / "run", "x") as run:
        run.write_config(config, {"provenance": provenance(), "dataset": {"name": "fake"}})
    table = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert read_config(tmp_path / "run").flat() == config.flat()
    assert {"npr", "numpy", "numba", "python"} <= table["provenance"].keys()


@pytest.mark.parametrize("use", ["open", "read"])
def test_a_folder_without_configuration_is_no_run(tmp_path: Path, use: str) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        RunFolder.open(tmp_path) if use == "open" else read_config(tmp_path)


def test_opening_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    (tmp_path / ".tmp-1-ab").mkdir()
    (tmp_path / ".tmp-1-ab" / "tensors.safetensors").write_text("half")
    with RunFolder.open(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "lock"]


@pytest.mark.parametrize("text", ["2", "0002", "0002-b-y", "runs/0002-b-y", "./runs/0002-b-y/"])
def test_a_run_is_found(here: Path, text: str) -> None:
    make("0001-a-x")
    wanted = make("0002-b-y")
    assert find_run(text).resolve() == wanted.resolve()


def test_a_path_object_is_found(tmp_path: Path) -> None:
    assert find_run(tmp_path) == tmp_path


@pytest.mark.parametrize("text", ["9", "", "nonsense", "²", "-1", "nul\0", pytest.param("9" * 5000, id="long")])
def test_an_unknown_run_lists_those_that_exist(here: Path, text: str) -> None:
    make("0001-a-x")
    with pytest.raises(ConfigError, match="0001-a-x"):
        find_run(text)


def test_an_ambiguous_number_lists_its_runs(here: Path) -> None:
    make("0001-a-x")
    make("0001-b-y")
    with pytest.raises(ConfigError, match="ambiguous: 0001-a-x, 0001-b-y"):
        find_run("1")


def test_runs_are_listed_by_number(here: Path) -> None:
    for name in ("10000-a-x", "0002-b-y", "notes", "0010-c-z"):
        make(name)
    assert [path.name for path in runs()] == ["0002-b-y", "0010-c-z", "10000-a-x"]


def written(path: Path) -> bytes:
    log = MetricsLog(path, Disk())
    for row in ROWS:
        log.append(row)
    log.flush(durable=True)
    return path.read_bytes()


def test_rows_come_back(tmp_path: Path) -> None:
    written(tmp_path / METRICS)
    assert read_rows(tmp_path / METRICS) == ROWS


def test_a_log_torn_anywhere_keeps_its_whole_rows(tmp_path: Path) -> None:
    path = tmp_path / METRICS
    whole = written(path)
    wrong = []
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        log = MetricsLog(path, Disk())
        log.cut(10**9)
        log.append({"step": 99})
        log.flush()
        if read_rows(path) != [*ROWS[: whole[:size].count(b"\n")], {"step": 99}]:
            wrong.append(size)
    assert wrong == []


@pytest.mark.parametrize(("last", "kept"), [(0, 0), (10, 1), (25, 2), (30, 3), (99, 3), (-1, 0)])
def test_rows_after_a_step_are_cut(tmp_path: Path, last: int, kept: int) -> None:
    written(tmp_path / METRICS)
    MetricsLog(tmp_path / METRICS, Disk()).cut(last)
    assert read_rows(tmp_path / METRICS) == ROWS[:kept]


@pytest.mark.parametrize("line", ["[1]", '{"loss": 1}', '{"step": 30}', '{"step": null}', "nonsense", "[" * 9999])
def test_reading_ends_at_a_line_that_is_no_next_row(tmp_path: Path, line: str) -> None:
    written(tmp_path / METRICS)
    with (tmp_path / METRICS).open("a") as file:
        file.write(line + "\n" + json.dumps({"step": 40}) + "\n")
    assert read_rows(tmp_path / METRICS) == ROWS


def test_rows_hold_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        MetricsLog(tmp_path / METRICS, Disk()).append({"step": 1, "loss": float("nan")})


def test_a_missing_log_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / METRICS) == []


RESULT = Result("r", "m", "t", 9, 6, 1.5, "running", "steps", {"loss": 1.0}, {"accuracy": 0.5}, {})


def test_a_result_comes_back(tmp_path: Path) -> None:
    write_result(Disk(), tmp_path / "result.json", RESULT)
    assert read_result(tmp_path / "result.json") == RESULT


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run": 1}', "nonsense"])
def test_a_damaged_result_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    assert read_result(tmp_path / "result.json") is None


def test_there_is_no_commit_outside_a_checkout(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == ""


def test_the_commit_of_a_checkout_is_found(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert git_commit(tmp_path) == head
