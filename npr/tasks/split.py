"""Which of the training images are held out for validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from npr.errors import ConfigError

FORMS = "tail:COUNT, random:COUNT:SEED, nnrnn, none"


class Split(NamedTuple):
    """Numbers of the images used for training and for validation, int64."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def check(spec: str) -> None:
    """Raise ConfigError unless `spec` names a split."""
    _parse(spec)


def divide(spec: str, count: int) -> Split:
    """Divide `count` training images.

    tail:COUNT      the last COUNT images are validation (55,000 / 5,000 of MNIST with COUNT 5000)
    random:COUNT:SEED   COUNT images drawn by `default_rng(SEED).permutation`
    nnrnn           the nnRNN suite's: RandomState(1234) permutes the 784 pixels, then the images; the last
                    sixth of these is validation (50,000 / 10,000)
    none            no validation: nothing can be selected, only the last state of a training is meaningful

    Parameters
    ----------
    spec : str
        One of the forms above.
    count : int
        Number of training images there are.

    Returns
    -------
    Split

    Raises
    ------
    ConfigError
        If `spec` has another form, or would leave nothing to train on.

    Source: tail:5000 batzner/indrnn; random:3000:SEED after Sunnydreamrain/IndRNN_pytorch, whose own draw is
    not seeded; nnrnn KyleGoyette/nnRNN, sMNIST.py.
    """
    kind, held_out, seed = _parse(spec)
    if kind == "nnrnn":
        held_out = count // 6
    if held_out >= count:
        raise ConfigError(f"split = '{spec}' holds out {held_out} images, but there are only {count}. Hold out fewer.")
    order = np.arange(count, dtype=np.int64)
    if kind == "random":
        order = np.random.default_rng(seed).permutation(count)
    elif kind == "nnrnn":
        rng = np.random.RandomState(1234)
        rng.permutation(784)
        order = rng.permutation(count)
    cut = count - held_out
    return Split(order[:cut].astype(np.int64), order[cut:].astype(np.int64))


def _parse(spec: str) -> tuple[str, int, int]:
    kind, *rest = spec.split(":")
    digits = all(part.isascii() and part.isdigit() for part in rest)
    if kind in ("nnrnn", "none") and not rest:
        return kind, 0, 0
    if digits and (kind, len(rest)) in (("tail", 1), ("random", 2)) and int(rest[0]) > 0:
        return kind, int(rest[0]), int(rest[-1])
    raise ConfigError(f"split = '{spec}' is not one of: {FORMS} (COUNT at least 1, SEED at least 0).")
