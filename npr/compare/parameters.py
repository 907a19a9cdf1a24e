"""How many trained scalars a run has."""

from __future__ import annotations

import math

import numpy as np

from npr.compare.record import Record
from npr.errors import NprError
from npr.params import count
from npr.training.checkpoint import read_manifest
from npr.training.config import Config
from npr.training.history import Checkpoints
from npr.training.tensors import CheckpointError

_PREFIX = "params/"


def parameters(record: Record) -> int | None:
    """Trained scalars, from the newest readable checkpoint or else from the model the configuration builds.

    None if neither is possible: the symbols of a text are counted when training begins.
    """
    for path in Checkpoints(record.path).paths():
        try:
            tensors = read_manifest(path).tensors
        except CheckpointError:
            continue
        return sum(math.prod(info.shape) for name, info in tensors.items() if name.startswith(_PREFIX))
    return _built(record)


def _built(record: Record) -> int | None:
    config = Config.from_flat(record.config)
    try:
        model, task, *_ = config.build()
        if getattr(task, "discrete", False):
            return None
        return count(model.init(np.random.default_rng(0), np.dtype(config.train.dtype).type)[0])
    except (NprError, TypeError, ValueError):
        return None
