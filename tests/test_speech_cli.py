"""`npr` on speech: training, resuming, data sets, and the exit codes of what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Outcome, tensors
from speech_samples import digit_members, digit_set, write_digits, write_timit, zip_bytes

from npr.data import known, search
from npr_cli.main import main

ARCHIVE = zip_bytes(digit_members())
RUN = [
    *("train", "--model", "indrnn", "--task", "speech", "--preset", "none", "--hidden-size", "8", "--layers", "2"),
    *("--batch-size", "16", "--set", "n_mels=8", "--set", "eval_every=4", "--json"),
]
Cli = Callable[..., Outcome]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """`npr` in this process and in a folder with a few tones in the place of the spoken digits."""
    monkeypatch.setitem(known.SETS, "fsdd", digit_set(ARCHIVE))
    monkeypatch.setenv(search.VARIABLE, str(write_digits(tmp_path / "data", ARCHIVE)))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> Outcome:
        code = main([str(arg) for arg in args])
        return Outcome(code, *capfd.readouterr())

    return run


def test_digits_are_trained_and_a_resumed_run_ends_in_the_same_bits(cli: Cli) -> None:
    straight = cli(*RUN, "--steps", 8, "--run-dir", "straight")
    assert straight.code == 0
    found = straight.json()
    assert 0 <= found["test"]["accuracy"] <= 1
    assert 0 <= found["validation"]["accuracy"] <= 1
    assert cli(*RUN, "--steps", 5, "--run-dir", "cut").code == 0
    assert cli("resume", "cut", "--steps", 8, "--json").code == 0
    assert tensors(Path("cut")) == tensors(Path("straight"))


@pytest.mark.parametrize(
    ("options", "figures", "name"),
    [
        (["--set", "target=next-frame"], {"loss"}, "speech"),
        (["--set", "target=next-frame", "--data", "timit"], {"loss"}, "speech[timit]"),
        (["--set", "target=phone"], {"loss", "accuracy"}, "speech[timit]"),
    ],
)
def test_every_target_is_trained(cli: Cli, options: list[str], figures: set[str], name: str) -> None:
    write_timit(Path("timit"))
    folder = [] if "fsdd" in name or name == "speech" else ["--data-dir", "timit"]
    found = cli(*RUN, *options, *folder, "--steps", 4, "--run-dir", "run")
    assert found.code == 0
    assert found.json()["test"].keys() >= figures
    assert ("accuracy" in found.json()["test"]) == ("accuracy" in figures)
    assert f'name = "{name}"' in Path("run", "config.toml").read_text()
    assert ("is not whole" in found.err) == ("timit" in name)


def test_a_dry_run_counts_the_updates_of_an_epoch(cli: Cli) -> None:
    found = cli(*RUN, "--dry-run", "--epochs", 2).json()
    assert found["estimate"]["total_steps"] == 2 * 3
    assert not Path("runs").exists()


def _nothing(folder: Path) -> None:
    pass


def _cut(folder: Path) -> None:
    (folder / "fsdd" / "recordings.zip").write_bytes(ARCHIVE[:-50])


def _hostile(folder: Path) -> None:
    (folder / "fsdd" / "recordings.zip").write_bytes(zip_bytes({"../1_anna_1.wav": b""}))


def _gone(folder: Path) -> None:
    (folder / "fsdd" / "recordings.zip").unlink()


@pytest.mark.parametrize(
    ("damage", "options", "code", "says"),
    [
        (_cut, [], 4, "expected a whole ZIP archive"),
        (_hostile, [], 4, "leads out of the archive"),
        (_gone, [], 4, "lacks recordings.zip"),
        (_nothing, ["--data", "timit", "--set", "target=phone"], 4, "there is no TIMIT"),
        (_nothing, ["--set", "split=speaker:bne"], 3, "Did you mean 'ben'"),
        (_nothing, ["--set", "target=words"], 3, "must be one of 'digit', 'phone', 'next-frame'"),
        (_nothing, ["--set", "max_frames=9"], 3, "max_frames = 9"),
        (_nothing, ["--data", "timit"], 3, "has no target = 'digit'"),
        (_nothing, ["--data", "synthetic"], 3, "Unknown data source 'synthetic'"),
        (_nothing, ["--set", "validation=index:90-99"], 4, "no recordings for validation"),
    ],
)
def test_exit_codes(cli: Cli, damage: Callable[[Path], Any], options: list[str], code: int, says: str) -> None:
    damage(Path("data"))
    before = sorted(Path("data").rglob("*"))
    found = cli(*RUN, *options, "--steps", 2)
    assert (found.code, found.out) == (code, "")
    assert says in found.err
    assert sorted(Path("data").rglob("*")) == before
    assert not list(Path().rglob("*.wav")) + list(Path().rglob("ckpt"))


@pytest.mark.parametrize(
    ("damage", "code", "state"), [(_nothing, 0, "ok"), (_cut, 4, "damaged"), (_gone, 4, "missing")]
)
def test_the_data_set_is_listed_and_verified(cli: Cli, damage: Callable[[Path], Any], code: int, state: str) -> None:
    damage(Path("data"))
    found = cli("data", "verify", "fsdd", "--json")
    assert found.code == code
    (entry,) = json.loads(found.out)
    assert (entry["name"], entry["state"]) == ("fsdd", state)
    assert any(row["name"] == "fsdd" for row in cli("data", "ls", "--json").json())
