"""What goes to stdout and stderr, and what happens when they are closed, full or poor."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest
from command_line import environment, npr, program

from npr import errors
from npr_cli import terminal
from npr_cli.failures import report


@pytest.mark.parametrize("args", [["--help"], ["train", "--help"], ["tasks"]])
def test_closed_pipe_is_quiet(args):
    process = subprocess.Popen([*program(), *args], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(60) == 0
    assert not err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_full_disk_under_stdout():
    with open("/dev/full", "w") as full:
        args = [*program(), "tasks"]
        done = subprocess.run(args, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.startswith("error: Cannot read or write the output: No space left on device.")
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}], ids=["C", "ascii"])
def test_poor_locale(env):
    done = npr("data", "ls", "--data-dir", "/no/such/pl\u00e4ce", env=env)
    assert done.returncode == 0
    assert "missing" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colour_off_a_terminal(env, coloured, monkeypatch, capsys):
    for key in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(key, raising=False)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    report(errors.DataError("a"), debug=False)
    assert ("\x1b[" in capsys.readouterr().err) is coloured


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_colour_on_a_terminal(term, monkeypatch):
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setenv("TERM", term)
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.delenv("FORCE_COLOR", raising=False)
        assert terminal.colour_allowed() is (term == "xterm")
        assert terminal.is_live() is (term == "xterm")
    os.close(master)
