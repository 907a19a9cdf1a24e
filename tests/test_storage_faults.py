"""Disks that are full, broken or read-only: the old checkpoint stays, training goes on, then stops with code 5."""

from __future__ import annotations

import contextlib
import errno
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import FailingDisk
from fakes import run_of
from test_checkpoint import snapshot
from watching import Recorder, bits, newest, rows, signalled

from npr.errors import ConfigError, Interrupted, StorageError
from npr.training import RunFolder, fit, resume
from npr.training.checkpoint import load
from npr.training.history import Checkpoints
from npr.training.metrics import MetricsLog, read_rows
from npr.training.storage import Disk, replace_file

ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EFBIG]
OPERATIONS = ["append", "make_folder", "create", "write", "sync", "sync_folder", "rename", "close"]


class Failure:
    """Watches a run whose disk fails from update `begin` on and works again from update `end` on."""

    def __init__(self, run: Path, error: int, operation: str, after: int = 0) -> None:
        self.disk = FailingDisk(error, operation, after)
        self.path = run
        self.folder = RunFolder.create(run, "x", self.disk)

    def watcher(self, begin: int, end: int = 10**9) -> Recorder:
        def switch(step: int) -> None:
            self.disk.failing = begin <= step < end

        return Recorder(switch)


def leftovers(run: Path) -> list[str]:
    return sorted(path.name for path in run.rglob(".tmp-*"))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("error", ERRORS)
def test_three_failed_saves_in_a_row_end_the_run(tmp_path: Path, error: int, operation: str) -> None:
    chosen, made = run_of("plain", eval_every=99)
    failure = Failure(tmp_path / "run", error, operation)
    watcher = failure.watcher(begin=5)
    with pytest.raises(StorageError, match=f"after update 16.*npr resume {tmp_path / 'run'}") as caught:
        fit(chosen, watcher, failure.folder, made)
    told = [text for text in watcher.messages if "Could not save" in text]
    assert caught.value.exit_code == 5
    assert (watcher.saved, len(watcher.steps), len(told)) == ([4], 16, 2)
    assert newest(tmp_path / "run").step in (4, 8, 12, 16)
    assert load(tmp_path / "run" / "ckpt" / "step-00000004").step == 4


@pytest.mark.parametrize("operation", ["make_folder", "create", "write", "sync", "rename"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_failed_save_leaves_nothing_behind(tmp_path: Path, operation: str, after: int) -> None:
    failure = Failure(tmp_path / "run", errno.ENOSPC, operation, after)
    chosen, made = run_of("plain", eval_every=99, log_every=99, checkpoint_every=4)
    watcher = failure.watcher(begin=5, end=9)
    fit(chosen, watcher, failure.folder, made)
    assert leftovers(tmp_path / "run") == []
    assert watcher.saved[-1] == 20


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_run_gets_over_a_passing_failure(tmp_path: Path, operation: str) -> None:
    chosen, made = run_of("plain")
    failure = Failure(tmp_path / "run", errno.ENOSPC, operation)
    watcher = failure.watcher(begin=5, end=12)
    result = fit(chosen, watcher, failure.folder, made)
    fit(chosen, run=tmp_path / "sound", parts=run_of("plain")[1])
    assert result.steps == 20
    assert any("1 of 3 failures" in text for text in watcher.messages)
    assert bits(newest(tmp_path / "run")) == bits(newest(tmp_path / "sound"))
    assert rows(tmp_path / "run") == rows(tmp_path / "sound")


def test_failures_count_only_in_a_row(tmp_path: Path) -> None:
    chosen, made = run_of("plain", eval_every=99, checkpoint_every=1)
    failure = Failure(tmp_path / "run", errno.EIO, "sync")

    def switch(step: int) -> None:
        failure.disk.failing = step % 3 != 0 and step < 19

    watcher = Recorder(switch)
    fit(chosen, watcher, failure.folder, made)
    assert watcher.saved == [3, 6, 9, 12, 15, 18, 19, 20]
    assert not any("3 of 3" in text for text in watcher.messages)


def test_rows_that_could_not_be_written_wait_for_the_next_attempt(tmp_path: Path) -> None:
    disk = FailingDisk(errno.ENOSPC, "write")
    log = MetricsLog(tmp_path / "metrics.jsonl", disk)
    for step, disk.failing in enumerate((False, True, True, False)):
        log.append({"step": step})
        with contextlib.suppress(OSError):
            log.flush()
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [0, 1, 2, 3]


def test_a_run_that_ended_for_want_of_space_can_be_resumed(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    failure = Failure(tmp_path / "run", errno.ENOSPC, "write")
    with pytest.raises(StorageError):
        fit(chosen, failure.watcher(begin=7), failure.folder, made)
    resume(tmp_path / "run", parts=run_of("plain")[1])
    fit(chosen, run=tmp_path / "sound", parts=run_of("plain")[1])
    assert bits(newest(tmp_path / "run")) == bits(newest(tmp_path / "sound"))
    assert rows(tmp_path / "run") == rows(tmp_path / "sound")


def test_a_stop_that_cannot_save_is_a_storage_error(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    failure = Failure(tmp_path / "run", errno.ENOSPC, "write")

    def stop(step: int) -> None:
        if step == 5:
            failure.disk.failing = True
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(StorageError, match="after update 5"):
        fit(chosen, Recorder(stop), failure.folder, made)
    assert newest(tmp_path / "run").step == 4


def test_a_result_that_cannot_be_stored_is_told(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    failure = Failure(tmp_path / "run", errno.ENOSPC, "write")

    class Late(Recorder):
        def on_checkpoint(self, path: Path, step: int) -> None:
            failure.disk.failing = step == 20

    with pytest.raises(StorageError, match="Could not store the result") as caught:
        fit(chosen, Late(), failure.folder, made)
    assert "Test figures: {'loss'" in caught.value.__notes__[0]
    result = resume(tmp_path / "run", parts=run_of("plain")[1])
    assert result.steps == 20
    assert rows(tmp_path / "run")[-1]["test_accuracy"] == result.test["accuracy"]


@pytest.mark.parametrize("operation", ["rename", "remove"])
def test_a_checkpoint_that_stands_is_saved_though_tidying_fails(tmp_path: Path, operation: str) -> None:
    disk = FailingDisk(errno.EIO, operation, after=1 if operation == "rename" else 0)
    told: list[str] = []
    checkpoints = Checkpoints(tmp_path, keep=1, report=told.append, disk=disk)
    checkpoints.save(snapshot(1))
    disk.failing = True
    path = checkpoints.save(snapshot(2))
    assert load(path).step == 2
    assert "Could not tidy up" in told[0]


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 2 KiB; not a fixture, since pytest's own output may be a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_real_limit_of_the_system_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    replace_file(Disk(), path, b"old")
    with small_files(), pytest.raises(OSError, match="too large"):
        replace_file(Disk(), path, bytes(4096))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("operation", ["create", "write", "sync", "rename"])
def test_a_run_that_cannot_store_its_configuration_does_not_begin(tmp_path: Path, operation: str) -> None:
    chosen, made = run_of("plain")
    failure = Failure(tmp_path / "run", errno.EACCES, operation)
    failure.disk.failing = True
    watcher = Recorder()
    with pytest.raises(StorageError, match="Permission denied"):
        fit(chosen, watcher, failure.folder, made)
    assert watcher.steps == []
    assert not (tmp_path / "run").exists()


def test_a_run_folder_without_write_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *rest: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("npr.training.run_folder.os.open", refuse)
    with pytest.raises(StorageError, match=f"Cannot write '{tmp_path}.*Permission denied"):
        RunFolder.create(tmp_path / "run", "x")


def test_a_run_is_not_lost_when_its_folder_is_taken_again(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(5), tmp_path, made)
    with pytest.raises(ConfigError, match="npr resume"):
        fit(chosen, run=tmp_path, parts=made)
    assert newest(tmp_path).step == 5
