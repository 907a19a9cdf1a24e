"""One seed, one result: the same bits from run to run and on any number of threads."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runs import SHORT, data_dir, rows, tensors
from command_line import npr

__all__ = ["data_dir"]
# Several batch slices, so that threads have something to share.
OPTIONS = [*SHORT, "--batch-size", "48", "--hidden-size", "20", "--set", "dropout=0.1", "--set", "reestimate=2"]


def trained(folder: Path, data_dir: Path, *args: object) -> tuple[dict[str, str], list]:
    """Tensors and metrics of a run in a process of its own."""
    env = {"NPR_DATA_DIR": str(data_dir), "NUMBA_NUM_THREADS": "2"}
    done = npr("train", *OPTIONS, "--run-dir", folder, *args, cwd=folder.parent, env=env, tiny=True)
    assert done.returncode == 0, done.stderr
    return tensors(folder), rows(folder)


@pytest.fixture(scope="module")
def reference(data_dir, tmp_path_factory):
    """A run on one thread."""
    return trained(tmp_path_factory.mktemp("reference") / "run", data_dir, "--threads", "1")


@pytest.mark.parametrize("threads", [1, 2])
def test_same_seed_gives_the_same_bits(threads, reference, data_dir, tmp_path):
    assert trained(tmp_path / "run", data_dir, "--threads", threads) == reference


def test_another_seed_gives_other_bits(reference, data_dir, tmp_path):
    other, _ = trained(tmp_path / "run", data_dir, "--threads", "1", "--seed", "2")
    parameters = [name for name in reference[0] if name.startswith("params/") and "W" in name]
    assert parameters
    assert all(other[name] != reference[0][name] for name in parameters)
