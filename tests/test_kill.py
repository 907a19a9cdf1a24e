"""kill -9 at random moments of a run, resume, and the same bits at the end as without."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from pathlib import Path

from cli_runs import TINY, data_dir, digests, rows, tensors
from command_line import environment, npr, program

__all__ = ["data_dir"]
KILLS = 20
STEPS = 120
OUTLINE, ROW = ("to step", "from step"), ("step",)
# A validation, checkpoint or row stands after almost every update, so that a kill hits any of them.
OPTIONS = [
    *(*TINY, "--steps", str(STEPS), "--threads", "2", "--verbose", "--set", "dropout=0.1"),
    *("--set", "schedule=cosine", "--set", "reestimate=2", "--set", "eval_every=10"),
    *("--set", "checkpoint_every=4", "--set", "log_every=2"),
]


def test_a_killed_run_ends_in_the_same_bits(data_dir, tmp_path):
    env = {"NPR_DATA_DIR": str(data_dir)}
    whole = tmp_path / "whole"
    done = npr("train", *OPTIONS, "--run-dir", whole, cwd=tmp_path, env=env, tiny=True)
    assert done.returncode == 0, done.stderr
    # Two states of one run differ; otherwise equality would prove nothing.
    assert digests(min((whole / "ckpt").iterdir())) != tensors(whole)
    rng, kills, resumed = random.Random(2), 0, 0
    while kills < KILLS:
        run = tmp_path / f"killed-at-{kills}"
        ended = False
        while not ended:
            # A kill before the folder is complete leaves nothing to resume.
            begun = (run / "config.toml").exists()
            resumed += (run / "latest").exists()
            args = ["resume", run, "-v"] if begun else ["train", *OPTIONS, "--run-dir", run]
            # Counted from the outline or from the first row, before which kernels are loaded.
            marker = rng.choice([OUTLINE, ROW, ROW, ROW])
            delay = rng.uniform(0, 0.3) if kills < KILLS else None
            ended = ends([*program(tiny=True), *map(str, args)], marker, delay, environment(env))
            kills += not ended
        assert tensors(run) == tensors(whole)
        assert rows(run) == rows(whole)
        assert figures(run) == figures(whole)
        assert not list(run.glob("**/.tmp-*"))
    assert resumed >= KILLS / 2


def ends(command: list[str], marker: tuple[str, ...], delay: float | None, env: dict[str, str]) -> bool:
    """Run a command and kill it `delay` seconds after a line that begins with `marker`; true if it ended before."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = []
    timer = None
    for line in process.stderr:
        said.append(line)
        if timer is None and delay is not None and line.startswith(marker):
            timer = threading.Timer(delay, process.kill)
            timer.start()
    code = process.wait(60)
    if timer:
        timer.cancel()
    assert code in (0, -9), "".join(said)
    return code == 0


def figures(run: Path) -> dict[str, float]:
    """Figures of the test split."""
    return json.loads((run / "result.json").read_text())["test"]
