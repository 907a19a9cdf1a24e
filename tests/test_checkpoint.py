"""Checkpoints: exact content, and what becomes of them in crashes, power cuts and bit rot."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from disks import Crash, CrashingDisk, LossyDisk, WatchedDisk

from npr.errors import StorageError
from npr.training import manifest
from npr.training.checkpoint import MANIFEST, TENSORS, Snapshot, load, read_manifest
from npr.training.history import Checkpoints
from npr.training.storage import Disk
from npr.training.tensors import CheckpointError

FILES = (TENSORS, MANIFEST)


def snapshot(step: int, note: str = "") -> Snapshot:
    rng = np.random.default_rng([step, len(note)])
    tensors = {
        "params/layers.0.W": rng.normal(size=(3, 4)).astype(np.float32),
        "buffers/mean": rng.normal(size=4),
        "moments/first": rng.normal(size=7).astype(np.float32),
    }
    state = {"rng": rng.bit_generator.state, "seconds": 0.1 * step, "note": note}
    return Snapshot(step, tensors, state, {"model": "indrnn", "lr": 1e-3})


def same(left: Snapshot, right: Snapshot) -> bool:
    arrays = left.tensors.keys() == right.tensors.keys() and all(
        left.tensors[name].dtype == value.dtype and left.tensors[name].tobytes() == value.tobytes()
        for name, value in right.tensors.items()
    )
    return arrays and (left.step, left.state, left.config) == (right.step, right.state, right.config)


def save(run: Path, step: int, note: str = "", disk: Disk | None = None, keep: int = 2) -> Path:
    return Checkpoints(run, keep, disk=disk or WatchedDisk()).save(snapshot(step, note))


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]


# Two saves after a first one: the second prunes it, or replaces a checkpoint of the same step.
SEQUENCES = {"next step": (10, ""), "same step": (20, "earlier")}


def operations(kind: str) -> int:
    """Number of file operations of the watched save."""
    run = Path(tempfile.mkdtemp())
    try:
        step, note = SEQUENCES[kind]
        save(run, step, note, keep=1)
        disk = CrashingDisk()
        save(run, 20, disk=disk, keep=1)
        return disk.calls
    finally:
        shutil.rmtree(run)


MOMENTS = [(kind, at) for kind in SEQUENCES for at in range(1, operations(kind) + 1)]


def test_what_was_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    assert same(load(save(tmp_path, 1200, disk=Disk())), snapshot(1200))


def test_snapshots_of_different_steps_differ() -> None:
    assert not same(snapshot(1), snapshot(2))


@pytest.mark.parametrize(
    "value", [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(12.0)[::3], np.float64(3)]
)
def test_memory_order_does_not_matter(tmp_path: Path, value: np.ndarray) -> None:
    path = Checkpoints(tmp_path).save(Snapshot(1, {"a": np.asarray(value)}, {}, {}))
    np.testing.assert_array_equal(load(path).tensors["a"], value)


def test_empty_arrays_survive(tmp_path: Path) -> None:
    path = Checkpoints(tmp_path).save(Snapshot(1, {"a": np.zeros((0, 3))}, {}, {}))
    assert load(path).tensors["a"].shape == (0, 3)


def test_latest_names_the_newest(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    assert (tmp_path / "latest").read_text() == "ckpt/step-00000002\n"


@pytest.mark.parametrize(("protect", "kept"), [([], [30, 40]), ([10], [10, 30, 40]), ([99], [30, 40])])
def test_only_the_newest_and_the_protected_stay(tmp_path: Path, protect: list[int], kept: list[int]) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2, disk=WatchedDisk())
    for step in (10, 20, 30, 40):
        checkpoints.save(snapshot(step), protect)
    assert sorted(read_manifest(path).step for path in checkpoints.paths()) == kept


def test_a_damaged_checkpoint_of_a_later_step_is_deleted_by_the_next_save(tmp_path: Path) -> None:
    save(tmp_path, 10)
    damaged = save(tmp_path, 20)
    (damaged / TENSORS).write_bytes(b"")
    save(tmp_path, 15)
    assert not damaged.exists()


@pytest.mark.parametrize(("kind", "at"), MOMENTS)
def test_a_crash_after_any_operation_leaves_the_old_or_the_new(tmp_path: Path, kind: str, at: int) -> None:
    step, note = SEQUENCES[kind]
    save(tmp_path, step, note, keep=1)
    with pytest.raises(Crash):
        save(tmp_path, 20, disk=CrashingDisk(at), keep=1)
    found = [load(path) for path in Checkpoints(tmp_path).paths()]
    assert same(found[0], snapshot(step, note)) or same(found[0], snapshot(20))


@pytest.mark.parametrize(("kind", "at"), MOMENTS)
def test_the_run_after_a_crash_saves_and_cleans_up(tmp_path: Path, kind: str, at: int) -> None:
    step, note = SEQUENCES[kind]
    save(tmp_path, step, note, keep=1)
    with pytest.raises(Crash):
        save(tmp_path, 20, disk=CrashingDisk(at), keep=1)
    checkpoints = Checkpoints(tmp_path, keep=1, disk=WatchedDisk())
    checkpoints.sweep()
    checkpoints.save(snapshot(20))
    assert [same(load(path), snapshot(20)) for path in checkpoints.paths()] == [True]
    assert leftovers(checkpoints.folder) == []


@pytest.mark.parametrize("names_too", [False, True])
@pytest.mark.parametrize(("kind", "at"), MOMENTS)
def test_a_power_cut_leaves_the_old_or_the_new(tmp_path: Path, kind: str, at: int, names_too: bool) -> None:
    step, note = SEQUENCES[kind]
    save(tmp_path, step, note, keep=1)
    disk = LossyDisk(at)
    with pytest.raises(Crash):
        save(tmp_path, 20, disk=disk, keep=1)
    disk.power_cut(tmp_path, names_too)
    found = Checkpoints(tmp_path).newest()[1]
    assert same(found, snapshot(step, note)) or same(found, snapshot(20))


def test_a_save_that_ended_survives_a_power_cut(tmp_path: Path) -> None:
    disk = LossyDisk()
    save(tmp_path, 20, disk=disk)
    disk.power_cut(tmp_path, names_too=True)
    assert same(Checkpoints(tmp_path).newest()[1], snapshot(20))


def readable(path: Path) -> bool:
    """Whether a checkpoint loads; a refusal that does not name the damaged file counts as none."""
    try:
        load(path)
    except CheckpointError as error:
        return not any(str(path / name) in str(error) for name in FILES)
    return True


@pytest.mark.parametrize("name", FILES)
def test_truncation_at_every_length_is_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, 1)
    whole = (path / name).read_bytes()
    accepted = []
    for length in range(len(whole)):
        (path / name).write_bytes(whole[:length])
        if readable(path):
            accepted.append(length)
    assert accepted == []


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_in_every_byte_is_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, 1)
    whole = bytearray((path / name).read_bytes())
    accepted = []
    for at in range(len(whole)):
        whole[at] ^= 1 << at % 8
        (path / name).write_bytes(whole)
        whole[at] ^= 1 << at % 8
        if readable(path):
            accepted.append(at)
    assert accepted == []


@pytest.mark.parametrize("name", FILES)
def test_bytes_after_the_end_are_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, 1)
    with (path / name).open("ab") as file:
        file.write(b"\n")
    assert not readable(path)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_reported_and_passed_over(tmp_path: Path, name: str) -> None:
    save(tmp_path, 10)
    (save(tmp_path, 20) / name).write_bytes(b"x")
    told: list[str] = []
    assert same(Checkpoints(tmp_path, report=told.append).newest()[1], snapshot(10))
    assert len(told) == 1
    assert str(tmp_path / "ckpt" / "step-00000020" / name) in told[0]


def test_the_damaged_tensor_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    data = bytearray((path / TENSORS).read_bytes())
    data[-1] ^= 1
    (path / TENSORS).write_bytes(data)
    with pytest.raises(CheckpointError, match=r"tensor '(params|moments|buffers)/.*' has a wrong checksum"):
        load(path)


def test_a_checkpoint_under_the_name_of_another_step_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    moved = path.rename(path.with_name("step-00000009"))
    with pytest.raises(CheckpointError, match="it is of step 1"):
        load(moved)


def test_a_later_format_is_refused_instead_of_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 10)
    monkeypatch.setattr("npr.training.checkpoint.FORMAT", manifest.FORMAT + 1)
    save(tmp_path, 20)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="update npr"):
        Checkpoints(tmp_path).newest()


def test_missing_permission_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 10)

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("npr.training.storage.read_file", refuse)
    with pytest.raises(StorageError, match="permissions") as caught:
        Checkpoints(tmp_path).newest()
    assert not isinstance(caught.value, CheckpointError)


def test_without_any_sound_checkpoint_the_folder_is_named(tmp_path: Path) -> None:
    (save(tmp_path, 10) / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match=str(tmp_path / "ckpt")):
        Checkpoints(tmp_path).newest()
