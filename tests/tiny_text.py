"""A small text to train on within a test, and the parts of such a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from npr.training import Config, resolve
from npr.training.parts import Parts, open_parts

WORDS = ["to", "be", "or", "not", "that", "is", "the", "question", "whether", "it", "nobler", "in", "mind", "suffer"]


def write(folder: Path, words: int = 700) -> Path:
    """Write a text of random words into `folder` and return its path."""
    rng = np.random.default_rng(3)
    path = folder / "tiny.txt"
    path.write_text(" ".join(rng.choice(WORDS, words)) + "\n")
    return path


def config(text: Path, **flags: Any) -> Config:
    """A short run of a small network: ten chunks an epoch, the last one shorter."""
    common = {"model": "rnn", "task": "charlm", "preset": "none", "data": str(text), "hidden_size": 8, "threads": 1}
    length = {"steps": 24, "eval_every": 6, "checkpoint_every": 5, "log_every": 3, "split": "text:0.8:0.1"}
    reading = {"batch_size": 6, "seq_len": 48, "layout": "columns", "eval_batch_size": 2, "optimizer": "adam"}
    return resolve({**common, **length, **reading, **flags})


def parts(chosen: Config) -> Parts:
    """What such a run computes with."""
    return open_parts(chosen, lambda line: None)
