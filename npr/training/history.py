"""The checkpoints of a run, `ckpt/step-XXXXXXXX/`: saving, finding the newest sound one, deleting old ones.

A checkpoint is written under a temporary name, made durable, and only then renamed; it exists completely or
not at all. Reading starts at the newest and takes the first in which every byte is as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from npr.errors import StorageError
from npr.training import storage
from npr.training.checkpoint import Snapshot, files, load, step_of
from npr.training.manifest import NewerFormatError
from npr.training.storage import Disk
from npr.training.tensors import CheckpointError

LATEST = "latest"
Report = Callable[[str], None]


class Checkpoints:
    """The checkpoints of one run folder.

    Parameters
    ----------
    run : Path
        The run folder.
    keep : int
        How many of the newest stay; a protected one stays in addition.
    report : callable
        Receives a line about anything that went wrong without stopping the work.
    disk : Disk
        Access to the file system.
    """

    def __init__(self, run: Path, keep: int = 2, report: Report = lambda text: None, disk: Disk | None = None) -> None:
        self.folder = run / "ckpt"
        self._latest = run / LATEST
        self._keep = keep
        self._report = report
        self._disk = disk or Disk()

    def paths(self) -> list[Path]:
        """Folders of all checkpoints, sound or not, newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if step_of(path) >= 0]
        return sorted(found, key=lambda path: (step_of(path), not _is_superseded(path)), reverse=True)

    def save(self, snapshot: Snapshot, protect: Collection[int] = ()) -> Path:
        """Write a checkpoint, then delete those that are no longer wanted.

        Parameters
        ----------
        snapshot : Snapshot
            What to store.
        protect : collection of int
            Steps whose checkpoints are kept whatever their age.

        Returns
        -------
        Path
            Its folder.

        Raises
        ------
        OSError
            If it cannot be written; then all earlier checkpoints are as they were.
        """
        if not self.folder.is_dir():
            self._disk.make_folder(self.folder)
            self._disk.sync_folder(self.folder.parent)
        temporary = storage.prepare_folder(self._disk, self.folder, files(snapshot))
        target = self.folder / f"step-{snapshot.step:08d}"
        try:
            self._set_aside(target)
            self._disk.rename(temporary, target)
        except BaseException:
            storage.discard(self._disk, temporary)
            raise
        self._disk.sync_folder(self.folder)
        self._tidy(target, protect)
        return target

    def newest(self) -> tuple[Path, Snapshot]:
        """The newest checkpoint that verifies; damaged ones are reported and passed over.

        Raises
        ------
        CheckpointError
            If there is none, or if the newest was written by a later version of npr.
        StorageError
            If one cannot be opened for want of permission.
        """
        for path in self.paths():
            try:
                return path, load(path)
            except NewerFormatError:
                raise
            except CheckpointError as error:
                self._report(f"{error} Trying the checkpoint before it.")
        raise CheckpointError(f"No sound checkpoint in '{self.folder}'. Start the run again with 'npr train'.")

    def sweep(self) -> None:
        """Delete what a killed process left behind."""
        if self.folder.is_dir():
            storage.sweep(self._disk, self.folder)

    def _set_aside(self, target: Path) -> None:
        """Free the name `target`; a sound checkpoint there stays readable until its successor stands."""
        if not (target.exists() or target.is_symlink()):
            return
        old = target.with_name(target.name + ".old")
        if not _is_sound(target):
            storage.remove_tree(self._disk, target)
            return
        if old.exists() or old.is_symlink():
            storage.remove_tree(self._disk, old)
        self._disk.rename(target, old)

    def _tidy(self, newest: Path, protect: Collection[int]) -> None:
        """Renew the hint, delete superseded checkpoints. The new one is safe: a failure is only reported."""
        now = step_of(newest)
        past = {step_of(path) for path in self.paths() if step_of(path) <= now}
        kept = {*sorted(past, reverse=True)[: self._keep], *protect} & past
        try:
            storage.replace_file(self._disk, self._latest, f"ckpt/{newest.name}\n".encode())
            for path in self.paths():
                # Later steps belong to a future that this run has left: their checkpoints were damaged.
                if _is_superseded(path) or step_of(path) not in kept:
                    storage.remove_tree(self._disk, path)
        except OSError as error:
            self._report(f"Could not tidy up after saving '{newest}': {error.strerror or error}.")


def _is_superseded(path: Path) -> bool:
    """True for the earlier state of a step that was saved again."""
    return path.suffix == ".old"


def _is_sound(path: Path) -> bool:
    try:
        load(path)
    except StorageError:
        return False
    return True
