"""Texts on the command line: train, resume, eval and sample, and what they refuse with which exit code."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_text
from cli_runs import cli, data_dir, tensors
from command_line import environment

__all__ = ["cli", "data_dir"]
SMALL = [
    *("--model", "rnn", "--task", "charlm", "--preset", "none", "--data", "./tiny.txt", "--hidden-size", "8"),
    *("--batch-size", "6", "--set", "seq_len=20", "--set", "eval_every=4", "--threads", "1"),
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return tiny_text.write(tmp_path)


def test_train_resume_eval_and_sample(cli, text, tmp_path):
    trained = cli("train", *SMALL, "--steps", "8", "--json")
    assert trained.code == 0, trained.err
    document = trained.json()
    for split in ("train", "validation", "test"):
        assert document[split]["bpc"] == pytest.approx(document[split]["loss"] / math.log(2))
    assert document["baseline"]["name"] == "symbol frequencies"
    assert " train / " in trained.err
    assert cli("eval", "1", "--split", "validation", "--json").json()["validation"] == document["validation"]
    assert cli("resume", "1", "--steps", "12", "--json").json()["steps"] == 12
    cli("train", *SMALL, "--steps", "12", "--run-dir", "whole")
    assert tensors(tmp_path / "whole") == tensors(tmp_path / "runs/0001-rnn-charlm")
    text.unlink()
    said = [cli("sample", "1", "--prime", "to be", "--length", "40", "--seed", seed) for seed in (1, 1, 2)]
    assert [done.code for done in said] == [0, 0, 0]
    assert said[0].out == said[1].out != said[2].out
    assert said[0].out.startswith("to be")
    assert len(said[0].out) == len("to be") + 40


def test_unknown_symbols_of_a_prime_are_listed(cli, text):
    cli("train", *SMALL, "--steps", "2")
    done = cli("sample", "1", "--prime", "to Bé or Bé")
    assert done.code == 2
    assert "'B', 'é'." in done.err
    assert not done.out


def test_bytes_are_never_unknown(cli, tmp_path):
    (tmp_path / "tiny.txt").write_bytes(bytes(range(250, 256)) * 500 + b"abc" * 100)
    assert cli("train", *SMALL, "--steps", "2").code == 4
    assert cli("train", *SMALL, "--steps", "2", "--set", "symbols=bytes").code == 0
    command = [sys.executable, "-m", "npr_cli", "sample", "1", "--prime", "aéb", "--length", "30"]
    done = subprocess.run(command, env=environment(), capture_output=True, check=True)
    assert done.stdout[:2] == b"ab"
    assert len(done.stdout) == 32
    assert b"0xc3, 0xa9" in done.stderr


def test_a_reader_may_leave(cli, text):
    cli("train", *SMALL, "--steps", "2")
    command = f"{sys.executable} -m npr_cli sample 1 --length 100000 | head -c 20"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=environment(), capture_output=True, check=False, timeout=120
    )
    assert (done.returncode, len(done.stdout), done.stderr) == (0, 20, b"")


def test_a_run_without_text_has_nothing_to_say(cli):
    assert cli("train", "--model", "rnn", "--task", "adding", "--preset", "none", "--hidden-size", "4", "--steps", "1",
               "--set", "seq_len=4", "--set", "validation_size=4", "--set", "test_size=4").code == 0  # fmt: skip
    done = cli("sample", "1")
    assert done.code == 3
    assert "adding, which is no text" in done.err


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["--data", "gone.txt"], 4, "gone.txt: expected a file"),
        (["--data", "tinyshakespear"], 3, "Did you mean 'tinyshakespeare'"),
        (["--data", "ptb"], 4, "LDC99T42"),
        (["--batch-size", "4000"], 4, "too short"),
        (["--set", "split=files"], 3, "choose another split"),
        (["--set", "layout=rows"], 3, "layout = 'rows'"),
        (["--set", "tied=true"], 3, "embedding"),
        (["--task", "adding", "--data", "auto", "--set", "embedding_size=3"], 3, "adding has no symbols"),
    ],
)
def test_what_cannot_be_trained(cli, text, tmp_path, args, code, says):
    done = cli("train", *_without(args), *args, "--steps", "2")
    assert done.code == code, done.err
    assert says in done.err
    assert not list(tmp_path.glob("runs/[0-9]*"))


def _without(args: list[str]) -> list[str]:
    """SMALL without the options that `args` gives anew."""
    pairs = zip(SMALL[::2], SMALL[1::2], strict=True)
    return [part for pair in pairs if pair[0] not in args or pair[0] == "--set" for part in pair]


def test_a_dry_run_counts_the_symbols(cli, text):
    found = cli("train", *SMALL, "--epochs", "2", "--dry-run", "--json").json()["estimate"]
    chunks = len(text.read_text()) // (6 * 20)
    assert found["total_steps"] == 2 * int(0.9 * chunks)
    symbols = len(set(text.read_text()))
    assert found["parameters"] == symbols * 8 + 8 * 8 + 8 + 8 * symbols + symbols


def test_a_dry_run_downloads_nothing(cli, monkeypatch):
    monkeypatch.delenv("NPR_DATA_DIR")
    monkeypatch.setenv("NPR_CACHE_DIR", os.path.abspath("cache"))
    args = ["--model", "rnn", "--task", "charlm", "--epochs", "1", "--hidden-size", "8", "--preset", "none"]
    done = cli("train", *args, "--dry-run", "--json")
    assert done.code == 0, done.err
    assert done.json()["estimate"]["total_steps"] is None
