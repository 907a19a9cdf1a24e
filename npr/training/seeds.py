"""The one place that says which random numbers come from where.

Every source of randomness is `np.random.default_rng([seed, purpose])`, so that no two purposes share a
stream and none changes when another draws more numbers. The permutation of the pixels and the split of
the images are no such source: they belong to the task and have keys of their own.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """Fixed numbers; changing one changes the results of every stored run."""

    PARAMETERS = 0
    DROPOUT = 1
    DATA_ORDER = 2
    REESTIMATION = 3
    INSPECTION = 4


def generator(seed: int, purpose: Purpose) -> np.random.Generator:
    """Generator of one purpose."""
    return np.random.default_rng([seed, int(purpose)])


def stream_seed(seed: int, purpose: Purpose, step: int = 0) -> int:
    """Integer seed of a data stream, a different one for each purpose and step."""
    words = np.random.SeedSequence([seed, int(purpose), step]).generate_state(2, np.uint32)
    return int(words[0]) << 32 | int(words[1])
