"""Training from the command line on a small real data set: results, resume, evaluation, faults."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import time
from pathlib import Path

import pytest
from cli_runs import SHORT, TINY, cli, data_dir, rows, tensors

from npr.data import synthetic
from npr.training.storage import Disk

__all__ = ["cli", "data_dir"]
DOCUMENT = {"run", "steps", "seconds", "train", "validation", "test"}


def test_json_document(cli):
    done = cli("train", *SHORT, "--json")
    found = done.json()
    assert done.code == 0
    assert found.keys() >= DOCUMENT
    assert (found["steps"], found["task"], found["run"]) == (6, "pmnist", "runs/0001-indrnn-pmnist")
    assert all(0 <= found[split]["accuracy"] <= 1 for split in ("train", "validation", "test"))
    assert found["seconds"] > 0
    assert "260 train / 40 validation / 60 test" in done.err


def test_summary_ends_with_folder_and_way_on(cli):
    done = cli("train", *SHORT)
    assert done.code == 0
    assert done.out.splitlines()[-2:] == [
        "run folder: runs/0001-indrnn-pmnist",
        "resume with: npr resume 0001 --steps 12",
    ]


def test_run_dir_is_the_run_folder_itself(cli, tmp_path):
    assert cli("train", *SHORT, "--run-dir", "here/mine").code == 0
    assert (tmp_path / "here/mine/config.toml").is_file()
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_not_overwritten(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "mine")
    before = tensors(tmp_path / "mine")
    again = cli("train", *SHORT, "--run-dir", "mine", "--seed", "2")
    assert again.code == 3
    assert "npr resume" in again.err
    assert tensors(tmp_path / "mine") == before


def test_config_of_a_run_repeats_it(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "one", "--set", "beta1=0.8")
    done = cli("train", "--config", "one/config.toml", "--run-dir", "two")
    assert done.code == 0
    assert tensors(tmp_path / "one") == tensors(tmp_path / "two")


def test_quiet_and_verbose(cli):
    quiet, loud = (cli("train", *SHORT, flag) for flag in ("--quiet", "--verbose"))
    assert "validation_accuracy" in loud.err
    assert "saved runs/0002-indrnn-pmnist/ckpt/step-00000006" in loud.err
    assert len(quiet.err.splitlines()) == 1
    assert quiet.out.splitlines()[:4] == loud.out.splitlines()[:4]


def test_dry_run_shows_origins_and_writes_nothing(cli, tmp_path):
    Path("run.toml").write_text("beta1 = 0.8\n")
    done = cli("train", "--hidden-size", "8", "--config", "run.toml", "--dry-run", "--json")
    found = done.json()
    origins = {key: found["config"][key]["origin"] for key in ("hidden_size", "beta1", "lr", "seed")}
    assert origins == {"hidden_size": "flag", "beta1": "file", "lr": "preset", "seed": "default"}
    assert found["estimate"]["parameters"] > 0
    assert found["estimate"]["memory_bytes"] > 0
    assert found["estimate"]["seconds"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]


def test_dry_run_knows_the_length_of_the_data(cli):
    args = ["--epochs", "2", "--dry-run", "--json", "--set", "updates_per_epoch=0"]
    assert cli("train", *TINY, *args).json()["estimate"]["total_steps"] == 2 * (260 // 16 + 1)


def test_resume_longer_equals_one_long_run(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "short")
    cli("train", *SHORT, "--steps", "9", "--run-dir", "long")
    done = cli("resume", "short", "--steps", "9", "--json")
    assert done.code == 0
    assert done.json()["steps"] == 9
    assert tensors(tmp_path / "short") == tensors(tmp_path / "long")


def test_resume_of_a_finished_run_gives_its_result(cli):
    first = cli("train", *SHORT, "--json").json()
    again = cli("resume", "1", "--json")
    assert again.json() == first
    assert "Nothing is left to train" in again.err


def test_time_limit_ends_early_with_a_result(cli):
    done = cli("train", *TINY, "--steps", "100000", "--max-time", "0.3s", "--json")
    found = done.json()
    assert done.code == 0
    assert 0 < found["steps"] < 100_000
    assert found["stopped"] == "max_time"
    assert "accuracy" in found["test"]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_eval_agrees_with_training(cli, split):
    trained = cli("train", *SHORT, "--json").json()
    done = cli("eval", "0001", "--split", split, "--json")
    assert done.code == 0
    assert done.json().keys() >= DOCUMENT
    assert done.json()[split] == pytest.approx(trained[split])


def test_eval_of_one_checkpoint(cli):
    cli("train", *SHORT)
    found = [cli("eval", f"runs/0001-indrnn-pmnist/ckpt/step-0000000{step}", "--json").json() for step in (4, 6)]
    assert [document["steps"] for document in found] == [4, 6]
    assert found[0]["test"]["loss"] != found[1]["test"]["loss"]


def test_synthetic_digits_are_announced_twice(cli, monkeypatch):
    monkeypatch.setattr(synthetic, "draw_train", synthetic.draw_test)
    done = cli("train", *TINY, "--steps", "2", "--data", "synthetic", "--json")
    begin, _, end = done.err.partition("to step 2")
    assert done.json()["task"] == "pmnist[synthetic]"
    assert "SYNTHETIC" in begin
    assert "SYNTHETIC" in end


def test_divergence_names_the_array_and_saves_nothing(cli, tmp_path):
    done = cli("train", *SHORT, "--lr", "1e30", "--run-dir", "run")
    assert done.code == 6
    assert not done.out
    last = done.err.splitlines()[-2:]
    assert last[0].startswith("error: Training diverged in update 2: ")
    assert last[1].startswith("hint: ")
    assert "Warning" not in done.err
    assert not (tmp_path / "run/ckpt").exists()


def test_checkpoints_are_listed(cli):
    cli("train", *SHORT)
    done = cli("ckpt", "ls", "1", "--json")
    assert [row["step"] for row in done.json()] == sorted({row["step"] for row in done.json()}, reverse=True)
    assert all(row["state"] == "ok" and row["bytes"] for row in done.json())
    assert cli("ckpt", "verify", "1").code == 0


def damage(run: Path) -> Path:
    """Flip one bit in the newest checkpoint's tensors."""
    file = run / (run / "latest").read_text().strip() / "tensors.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    return file


def test_damaged_checkpoint_is_reported(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "run")
    damage(tmp_path / "run")
    done = cli("ckpt", "verify", "run", "--json")
    assert done.code == 5
    assert [row["state"] for row in done.json()].count("damaged") == 1
    assert "step-00000006" in done.json()[0]["detail"]


def test_resume_passes_over_a_damaged_checkpoint(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "run")
    wanted, log = tensors(tmp_path / "run"), rows(tmp_path / "run")
    file = damage(tmp_path / "run")
    done = cli("resume", "run")
    assert done.code == 0
    assert f"'{Path('run') / file.relative_to(tmp_path / 'run')}' is damaged" in done.err
    assert "from step 4" in done.err
    assert tensors(tmp_path / "run") == wanted
    assert rows(tmp_path / "run") == log


def test_no_sound_checkpoint_is_an_error(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "run")
    for file in (tmp_path / "run/ckpt").glob("*/manifest.json"):
        file.write_text("{}")
    done = cli("resume", "run")
    assert done.code == 5
    assert "No sound checkpoint" in done.err


@pytest.mark.parametrize("command", [["resume", "run"], ["train", *SHORT, "--run-dir", "run"]], ids=["resume", "train"])
def test_busy_run_folder(cli, tmp_path, command):
    cli("train", *SHORT, "--run-dir", "run")
    with open(tmp_path / "run/lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        begin = time.monotonic()
        done = cli(*command)
    assert done.code == 73
    assert time.monotonic() - begin < 1
    assert done.err.splitlines()[-1].startswith("error: Another process is training in 'run'")


@pytest.mark.parametrize("place", ["file/run", "/proc/no/run"])
def test_folder_that_cannot_be_written(cli, tmp_path, place):
    (tmp_path / "file").write_text("")
    done = cli("train", *SHORT, "--run-dir", place)
    assert done.code == 5
    assert "error: Cannot write" in done.err
    assert not done.out


def test_full_disk(cli, tmp_path, monkeypatch):
    write = Disk.write

    def full(self: Disk, descriptor: int, data: memoryview) -> int:
        if "tensors" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, descriptor, data)

    cli("train", *SHORT, "--run-dir", "run")
    before = tensors(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "write", full)
        done = cli("resume", "run", "--steps", "12")
    assert done.code == 5
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err
    assert tensors(tmp_path / "run") == before
    assert cli("resume", "run").code == 0


def spoil(folder: Path, fault: str) -> None:
    """Make one data file unusable."""
    file = folder / "mnist" / "train-labels-idx1-ubyte.gz"
    content = gzip.decompress(file.read_bytes())
    if fault == "missing":
        file.unlink()
    elif fault == "truncated":
        file.write_bytes(file.read_bytes()[:100])
    elif fault == "magic":
        file.write_bytes(gzip.compress(b"\x00\x00\x09\x01" + content[4:]))
    else:
        file.write_bytes(gzip.compress(content[:-1] + bytes([content[-1] ^ 1])))


@pytest.mark.parametrize(
    ("fault", "said"),
    [("missing", "lacks"), ("truncated", "cut short"), ("magic", "magic number"), ("hash", "sha256")],
)
def test_bad_data(cli, data_dir, tmp_path, fault, said):
    folder = tmp_path / "data"
    (folder / "mnist").mkdir(parents=True)
    for file in (data_dir / "mnist").iterdir():
        (folder / "mnist" / file.name).write_bytes(file.read_bytes())
    spoil(folder, fault)
    done = cli("train", *SHORT, "--data-dir", folder)
    assert done.code == 4
    assert "train-labels-idx1-ubyte" in done.err
    assert said in done.err
    assert str(folder) in done.err
    assert not list(tmp_path.glob("runs/[0-9]*"))


def test_an_option_that_is_not_valid_leaves_no_folder(cli, tmp_path):
    done = cli("train", "--model", "nnrnn", "--task", "copy", "--hidden-size", "7")
    assert done.code == 3
    assert not (tmp_path / "runs").exists()
