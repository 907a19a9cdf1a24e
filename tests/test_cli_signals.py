"""Training in a process of its own: signals, a second process, terminals, closed streams."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_runs import SHORT, TINY, data_dir, tensors
from command_line import environment, npr, program

__all__ = ["data_dir"]
ENDLESS = [*TINY, "--steps", "1000000", "--run-dir", "run"]


@contextmanager
def training(args: list[str], data_dir: Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun to train, with its stderr read up to there."""
    env = environment({"NPR_DATA_DIR": str(data_dir)})
    process = subprocess.Popen(
        args, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        for line in process.stderr:
            if line.startswith(("to step", "from step")):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def test_interrupt_saves_and_resume_goes_on(data_dir, tmp_path):
    env = {"NPR_DATA_DIR": str(data_dir)}
    with training([*program(tiny=True), "train", *ENDLESS], data_dir, tmp_path) as process:
        time.sleep(0.5)
        begin = time.monotonic()
        busy = npr("resume", "run", cwd=tmp_path, env=env, tiny=True)
        assert busy.returncode == 73
        assert "Another process is training in 'run'" in busy.stderr
        assert time.monotonic() - begin < 20
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=250)
    assert process.returncode == 130
    assert not out
    said = re.search(r"^finishing step (\d+) \.\.\. saved (\S+); resume with: npr resume run$", err, re.MULTILINE)
    step = int(said[1])
    assert said[2] == f"run/ckpt/step-{step:08d}"
    assert "Traceback" not in err
    done = npr("resume", "run", "--steps", step + 2, "--json", cwd=tmp_path, env=env, tiny=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["steps"] == step + 2


def test_terminate_saves(data_dir, tmp_path):
    with training([*program(tiny=True), "train", *ENDLESS], data_dir, tmp_path) as process:
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=250)
    assert process.returncode == 143
    assert "resume with: npr resume run" in err
    assert tensors(tmp_path / "run")


# A save that hangs, as on a network disk, and one checkpoint from before.
_HANGS = """
import runpy, sys, time
from npr.training.history import Checkpoints
save = Checkpoints.save
def hang(self, snapshot, *rest):
    if snapshot.step == 2:
        return save(self, snapshot, *rest)
    print("from step: hangs", file=sys.stderr, flush=True)
    time.sleep(100)
Checkpoints.save = hang
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_second_signal_stops_at_once(data_dir, tmp_path):
    args = [sys.executable, "-c", _HANGS, program(tiny=True)[1], "train", *ENDLESS, "--set", "checkpoint_every=2"]
    with training(args, data_dir, tmp_path) as process:
        assert any("hangs" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=250)
    assert time.monotonic() - begin < 5
    assert process.returncode == 130
    assert "Stopped at once" in err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "run/ckpt").iterdir()] == ["step-00000002"]


def test_closed_streams_do_not_stop_a_training(data_dir, tmp_path):
    args = [*program(tiny=True), "train", *SHORT, "--run-dir", "run", "--verbose"]
    env = environment({"NPR_DATA_DIR": str(data_dir)})
    process = subprocess.Popen(args, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.close()
    assert process.wait(120) == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["steps"] == 6


def test_plain_output_in_a_poor_locale(data_dir, tmp_path):
    env = {"NPR_DATA_DIR": str(data_dir), "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = npr("train", *SHORT, cwd=tmp_path, env=env, tiny=True)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("columns", [20, 100])
def test_live_line_fits_the_terminal(columns, data_dir, tmp_path):
    screen, code = on_terminal([*program(tiny=True), "train", *TINY, "--steps", "60"], columns, data_dir, tmp_path)
    assert code == 0
    redrawn = [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line) for line in re.findall(r"\x1b\[2K([^\r]*)\r", screen)]
    lines = [line for line in redrawn if re.search(r"step +\d+ ", line)]
    assert lines
    assert max(map(len, lines)) <= columns
    assert "resume with: npr resume 0001" in screen
    assert "Traceback" not in screen


def on_terminal(args: list[str], columns: int, data_dir: Path, cwd: Path) -> tuple[str, int]:
    """What a program writes to a terminal of this width, and its exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = environment({"NPR_DATA_DIR": str(data_dir), "TERM": "xterm"})
    process = subprocess.Popen(args, cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    screen = b""
    try:
        while piece := os.read(master, 4096):
            screen += piece
    except OSError:
        # Linux ends the reading so when the last writer has gone.
        pass
    os.close(master)
    return screen.decode(), process.wait(60)
