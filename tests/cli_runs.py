"""Fixtures for tests that train: the small data set, and `npr` called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tiny_mnist

from npr.data import known
from npr_cli.main import main

TINY = [
    *("--model", "indrnn", "--task", "pmnist", "--preset", "none", "--hidden-size", "8", "--layers", "2"),
    *("--batch-size", "16", "--set", f"split=tail:{tiny_mnist.VALIDATION}"),
]
# Two validations, three checkpoints that stay.
SHORT = [*TINY, "--steps", "6", "--set", "eval_every=3", "--set", "checkpoint_every=2"]


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The document on stdout; fails if anything else is there."""
        return json.loads(self.out)


Cli = Callable[..., Outcome]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the small data set."""
    return tiny_mnist.write(tmp_path_factory.mktemp("data"))


@pytest.fixture
def cli(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """`npr` in this process and in an empty folder, with the small data set in the place of MNIST."""
    monkeypatch.setitem(known.SETS, "mnist", tiny_mnist.described(data_dir))
    monkeypatch.setenv("NPR_DATA_DIR", str(data_dir))
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Outcome:
        code = main([str(arg) for arg in args])
        return Outcome(code, *capfd.readouterr())

    return run


def tensors(run: Path) -> dict[str, str]:
    """SHA-256 of every tensor of the newest checkpoint, as `latest` names it."""
    return digests(run / (run / "latest").read_text().strip())


def digests(checkpoint: Path) -> dict[str, str]:
    """SHA-256 of every tensor of one checkpoint."""
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    return {name: info["sha256"] for name, info in manifest["tensors"].items()}


def rows(run: Path) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl without the times, which no two runs share."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in lines]
