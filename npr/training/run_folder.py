"""The folder of one run: configuration, metrics, checkpoints, result, and the trainer's lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tomli_w

from npr.errors import ConfigError, RunBusyError, StorageError
from npr.training.config import DESCRIPTIVE, Config, read_table, read_toml
from npr.training.history import Checkpoints
from npr.training.metrics import MetricsLog
from npr.training.run_lookup import CONFIG, RUNS, known_runs, number, runs
from npr.training.storage import Disk, replace_file, sweep

METRICS, RESULT, LOCK = "metrics.jsonl", "result.json", "lock"
_PATIENCE = 0.3  # seconds; a process that is just ending gets this long to let go


class RunFolder:
    """An open run folder, locked against other processes until `close`; a context manager.

    Parameters
    ----------
    path : Path
        The folder, which exists.
    disk : Disk
        Access to the file system.

    Raises
    ------
    RunBusyError
        If another process trains in it.
    StorageError
        If it cannot be written to.
    """

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self.disk = disk or Disk()
        self._made = False
        self._lock: int | None = _locked(path / LOCK)
        self.metrics = MetricsLog(path / METRICS, self.disk)

    @classmethod
    def create(cls, path: Path | None, name: str, disk: Disk | None = None) -> RunFolder:
        """A folder for a new run.

        Parameters
        ----------
        path : Path or None
            The folder itself; None for the next number below ./runs.
        name : str
            What stands after the number.
        disk : Disk
            Access to the file system.

        Raises
        ------
        ConfigError
            If the folder already holds a run.
        RunBusyError
            If another process trains in it.
        StorageError
            If it cannot be made.
        """
        made = path is None or not path.exists()
        with _storing(path or RUNS):
            if path is None:
                path = _numbered(name)
            else:
                path.mkdir(parents=True, exist_ok=True)
        run = cls(path, disk)
        run._made = made
        if any((path / entry).exists() for entry in (CONFIG, METRICS, "ckpt")):
            run.close()
            raise ConfigError(
                f"'{path}' already holds a run. Go on with 'npr resume {path}', or choose another folder."
            )
        return run

    @classmethod
    def open(cls, path: Path, disk: Disk | None = None) -> RunFolder:
        """The folder of a run that exists.

        Raises
        ------
        ConfigError
            If it holds no run.
        RunBusyError
            If another process trains in it.
        """
        read_config(path)
        run = cls(path, disk)
        sweep(run.disk, path)
        return run

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def discard(self) -> None:
        """Undo `create` for a run that did not begin; what was there before stays."""
        with contextlib.suppress(OSError):
            (self.path / LOCK).unlink()
            if self._made:
                self.path.rmdir()
        self.close()

    def write_config(self, config: Config, about: dict[str, Any]) -> None:
        """Store the resolved configuration.

        Parameters
        ----------
        config : Config
            The keys and values.
        about : dict
            Tables that describe the run: "provenance", "dataset", and "imported" for weights from a file.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        with _storing(self.path):
            replace_file(self.disk, self.path / CONFIG, tomli_w.dumps({**config.flat(), **about}).encode())

    def checkpoints(self, keep: int, report: Callable[[str], None]) -> Checkpoints:
        """The checkpoints of this run."""
        return Checkpoints(self.path, keep, report, self.disk)


def read_config(path: Path) -> Config:
    """The configuration that a run folder stores.

    Raises
    ------
    ConfigError
        If there is none, or it is not valid.
    """
    if not (path / CONFIG).is_file():
        raise ConfigError(f"'{path}' is no run folder: it has no {CONFIG}.{known_runs()}")
    return Config.from_flat(read_toml(path / CONFIG))


def read_about(path: Path) -> dict[str, Any]:
    """The tables of a run's config.toml that describe it: "provenance" and "dataset".

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    return {key: table for key, table in read_table(path / CONFIG).items() if key in DESCRIPTIVE}


def in_training(path: Path) -> bool:
    """Whether a process trains in a run folder now: it holds the lock, which ends with it however it ends.

    True too where that cannot be found out, on a file system without locks or without the right to read.
    """
    try:
        descriptor = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        # Shared, so that several readers do not take each other for a training; a training that begins waits longer.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _numbered(name: str) -> Path:
    """A new folder with the next number; two processes never get the same."""
    RUNS.mkdir(parents=True, exist_ok=True)
    lock = _locked(RUNS / f".{LOCK}", patience=5.0)
    try:
        path = RUNS / f"{max((number(path) for path in runs()), default=0) + 1:04d}-{name}"
        path.mkdir()
    finally:
        os.close(lock)
    return path


def _locked(path: Path, patience: float = _PATIENCE) -> int:
    """Descriptor of a file that this process alone has locked; the lock ends with the process."""
    with _storing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                message = f"Another process is training in '{path.parent}'. Wait for it, or choose another folder."
                raise RunBusyError(message) from error
            time.sleep(0.05)
        except OSError as error:
            os.close(descriptor)
            raise StorageError(f"Cannot lock '{path}': {error.strerror}. Put the run on another disk.") from error


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn a failure to write below `path` into a StorageError."""
    try:
        yield
    except OSError as error:
        place = error.filename or path
        raise StorageError(f"Cannot write '{place}': {error.strerror}. Free space or choose another folder.") from error
