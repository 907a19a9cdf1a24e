"""The command line without training: help, what is refused and how, exit codes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest
from command_line import environment, program

from npr import errors
from npr.kernels.cuda_target import target
from npr_cli.commands import data as data_command
from npr_cli.failures import report
from npr_cli.main import LazyGroup, main
from npr_cli.main import npr as root

COMMANDS = [
    "bench",
    "ckpt",
    "compare",
    "completion",
    "data",
    "doctor",
    "eval",
    "gradcheck",
    "inspect",
    "models",
    "presets",
    "report",
    "resume",
    "sample",
    "tasks",
    "train",
]
HEAVY = ["numpy", "numba", "scipy", "rich", "pooch", "msgspec", "safetensors", "requests"]


def test_commands_are_those_that_are_built():
    assert LazyGroup().list_commands(click.Context(root)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(command, capsys):
    assert main([command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"Usage: npr {command}" in out
    assert not err


def test_help_lists_every_command_with_a_summary(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]\w+", out, re.MULTILINE), command


def test_help_is_quick():
    """Processor time: on a busy machine the clock measures the other programs."""
    seconds = []
    for _ in range(5):
        process = subprocess.Popen([*program(), "--help"], env=environment(), stdout=subprocess.PIPE)
        assert b"train" in process.stdout.read()
        process.stdout.close()
        _, process.returncode, used = os.wait4(process.pid, 0)
        seconds.append(used.ru_utime + used.ru_stime)
    assert min(seconds) <= 0.15


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["train", "--help"], ["completion", "bash"]])
def test_light_commands_import_nothing_heavy(args):
    code = (
        "import sys; from npr_cli.main import main; status = main(sys.argv[1:]); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"npr \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_no_command_shows_the_help_and_is_a_usage_error(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "Commands:" in err


def test_unknown_command_names_the_nearest(capsys):
    assert main(["trian"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert "Did you mean 'train'?" in err
    assert "gradcheck" in err


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["train", "--model", "indrn"], "Did you mean 'indrnn'?"),
        (["train", "--task", "mnist"], "pmnist"),
        (["train", "--optimizer", "adamw"], "adam"),
        (["train", "--hidden-size", "-4"], "--hidden-size"),
        (["train", "--layers", "0"], "--layers"),
        (["train", "--batch-size", "-1"], "--batch-size"),
        (["train", "--lr", "-0.1"], "--lr"),
        (["train", "--threads", "0"], "--threads"),
        (["train", "--max-time", "soon"], "1h"),
        (["train", "--max-time", "0"], "1h"),
        (["train", "--set", "momentum"], "KEY=VALUE"),
        (["train", "--epochs", "1", "--steps", "2"], "not both"),
        (["train", "--dtype", "float16"], "float32"),
        (["train", "--epoch", "3"], "--epochs"),
        (["train", "--clip-norm", "1"], "--set clip_norm=VALUE"),
        (["models", "--clip-norm", "1"], "hint: 'npr models --help'"),
        (["train", "--lr", "0.1", "--set", "lr=0.2"], "twice"),
        (["resume", "1", "--lr", "0.1"], "--lr"),
        (["resume"], "RUN"),
        (["gradcheck"], "--model"),
        (["completion", "tcsh"], "bash"),
    ],
)
def test_usage_errors(args, named, capsys):
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert named in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["train", "--set", "hiden_size=4"], "hidden_size"),
        (["train", "--set", "hidden_size=-4"], "hidden_size"),
        (["train", "--set", "batch_size=many"], "batch_size"),
        (["train", "--activation", "sine"], "relu"),
        (["train", "--preset", "desktop"], "laptop"),
        (["train", "--data", "svhn"], "mnist"),
        (["train", "--tf32"], "device = 'cuda'"),
        (["train", "--config", "no-such-file.toml"], "no-such-file.toml"),
        (["gradcheck", "--model", "indrnn", "--set", "hiden_size=4"], "hidden_size"),
        (["data", "verify", "svhn"], "mnist"),
    ],
)
def test_configuration_errors(args, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(args) == 3
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert named in err
    assert not list(tmp_path.glob("runs/[0-9]*"))


def test_unknown_key_in_a_file_is_named(capsys, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("hidden_sise = 4\n")
    assert main(["train", "--config", str(file)]) == 3
    assert "Did you mean 'hidden_size'?" in capsys.readouterr().err


def test_cuda_says_why_not(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM")
    for package in ("numba_cuda", "numba_cuda_mlir"):
        monkeypatch.setitem(sys.modules, package, None)
    target.cache_clear()
    assert main(["train", "--device", "cuda"]) == 8
    assert "No compiler for CUDA kernels" in capsys.readouterr().err
    target.cache_clear()
    assert not list(tmp_path.glob("runs/[0-9]*"))


@pytest.mark.parametrize("command", ["resume", "eval"])
def test_unknown_run(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([command, "12"]) == errors.ConfigError.exit_code
    assert "12" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("a"), 3),
        (errors.DataError("a"), 4),
        (errors.StorageError("a"), 5),
        (errors.DivergedError("a"), 6),
        (errors.CheckFailed("a"), 7),
        (errors.BackendError("a"), 8),
        (errors.RunBusyError("a"), 73),
        (errors.Interrupted("a", 2), 130),
        (errors.Interrupted("a", 15), 143),
        (KeyboardInterrupt(), 130),
        (click.UsageError("a"), 2),
        (ValueError("a"), 1),
        (MemoryError(), 1),
        (OSError(28, "No space left on device", "file"), 5),
    ],
)
def test_exit_codes(error, code, capsys):
    assert report(error, debug=False) == code
    err = capsys.readouterr().err
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize("debug", [False, True])
def test_traceback_only_with_debug(debug, capsys, monkeypatch):
    def fail():
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(data_command, "_all", fail)
    assert main(["data", "verify", *(["--debug"] if debug else [])]) == 1
    err = capsys.readouterr().err
    assert "Unexpected ZeroDivisionError at test_cli.py" in err
    assert "--debug" in err
    assert ("Traceback" in err) is debug


def test_hints_of_an_error_are_shown(capsys):
    error = errors.DataError("gone")
    error.add_note("fetch it")
    report(error, debug=False)
    assert capsys.readouterr().err == "error: gone\nhint: fetch it\n"


def test_missing_data_file_is_exit_4(capsys, tmp_path):
    assert main(["data", "verify", "--data-dir", str(tmp_path)]) == 4
    out, err = capsys.readouterr()
    assert "missing" in out
    assert str(tmp_path) in err
