"""kill -9 at random moments of a run, resume, and the same bits at the end as without."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path

from cli_runs import TINY, data_dir, digests, rows, tensors
from command_line import environment, npr, program

__all__ = ["data_dir"]
KILLS = 20
STEPS = 150
# Few batches per validation, checkpoint and row, so that a kill hits any of them.
OPTIONS = [
    *(*TINY, "--steps", str(STEPS), "--set", "dropout=0.1", "--set", "schedule=cosine", "--set", "reestimate=2"),
    *("--set", "eval_every=25", "--set", "checkpoint_every=4", "--set", "log_every=3", "--threads", "2"),
]


def test_a_killed_run_ends_in_the_same_bits(data_dir, tmp_path):
    env = {"NPR_DATA_DIR": str(data_dir)}
    whole = npr("train", *OPTIONS, "--run-dir", "whole", cwd=tmp_path, env=env, tiny=True)
    assert whole.returncode == 0, whole.stderr
    wanted = tensors(tmp_path / "whole")
    # Two states of one run differ; otherwise equality would prove nothing.
    earlier = sorted((tmp_path / "whole/ckpt").iterdir())[0]
    assert digests(earlier) != wanted
    delays = random.Random(2)
    kills = saved = runs = 0
    while kills < KILLS:
        run = tmp_path / f"killed-{runs}"
        runs += 1
        args = ["train", *OPTIONS, "--run-dir", run]
        while not killed_or_done(args, delays.uniform(0, 0.35), data_dir, tmp_path):
            kills += 1
            # A kill before the folder is complete leaves nothing to resume.
            if (run / "config.toml").exists():
                args = ["resume", run]
            saved += (run / "latest").exists()
        assert tensors(run) == wanted
        assert rows(run) == rows(tmp_path / "whole")
        assert result_of(run) == result_of(tmp_path / "whole")
        assert not list(run.glob("**/.tmp-*"))
    assert saved >= KILLS / 2


def killed_or_done(args: list[object], delay: float, data_dir: Path, cwd: Path) -> bool:
    """Run npr and kill it `delay` seconds after training began; true if it had finished before."""
    command = [*program(tiny=True), *map(str, args)]
    env = environment({"NPR_DATA_DIR": str(data_dir)})
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(("to step", "from step")):
            break
    time.sleep(delay)
    process.kill()
    process.communicate()
    assert process.returncode in (0, -9), "".join(said)
    return process.returncode == 0


def result_of(run: Path) -> dict[str, float]:
    """Figures of the test split."""
    return json.loads((run / "result.json").read_text())["test"]
