"""Files of stored inspections: what is written is read again, damage is told, a resumed run loses what comes after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from npr.inspect.series import Series
from npr.training.inspections import cut_inspections, inspections, read_inspection, write_inspection
from npr.training.storage import Disk
from npr.training.tensors import CheckpointError

FOUND = {
    "layers.0.dh_norm": Series(np.arange(5.0), ("time",)),
    "layers.0.eigenvalues": Series(np.arange(6.0).reshape(3, 2)[:, ::-1], ("value", "part")),
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = write_inspection(Disk(), tmp_path, 50, FOUND)
    found = read_inspection(path)
    assert path.name == "step-00000050.safetensors"
    assert {name: series.axes for name, series in found.items()} == {name: s.axes for name, s in FOUND.items()}
    for name, series in FOUND.items():
        assert np.array_equal(found[name].values, series.values)


def test_inspections_are_listed_by_step(tmp_path: Path) -> None:
    for step in (100, 20, 3):
        write_inspection(Disk(), tmp_path, step, FOUND)
    (tmp_path / "inspect" / "notes.txt").write_text("mine")
    assert list(inspections(tmp_path)) == [3, 20, 100]
    cut_inspections(Disk(), tmp_path, 20)
    assert list(inspections(tmp_path)) == [3, 20]
    assert inspections(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("end", [0, 4, 40, -4])
def test_a_torn_file_is_called_damaged(tmp_path: Path, end: int) -> None:
    path = write_inspection(Disk(), tmp_path, 1, FOUND)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(CheckpointError, match=r"step-00000001.safetensors' is damaged"):
        read_inspection(path)
