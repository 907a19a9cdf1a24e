"""Fixed permutations of the pixels, as the published code bases drew them."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from npr.errors import ConfigError

FORMS = "numpy:SEED, torch:SEED, none"
_SEEDS = 2**32


def check(spec: str) -> None:
    """Raise ConfigError unless `spec` names a permutation."""
    _parse(spec)


def draw(spec: str, size: int) -> NDArray[np.int64]:
    """The permutation that `spec` names: position j of the sequence shows pixel perm[j].

    numpy:SEED is `RandomState(SEED).permutation(size)`, torch:SEED is what `torch.randperm(size)` gives after
    `torch.manual_seed(SEED)`, none is the order of the rows.

    Parameters
    ----------
    spec : str
        "numpy:SEED", "torch:SEED" or "none"; SEED in 0..2^32-1.
    size : int
        Number of pixels.

    Returns
    -------
    ndarray (size,), int64

    Raises
    ------
    ConfigError
        If `spec` has another form.

    Source: numpy:92916 expRNN and scoRNN, numpy:1234 nnRNN, torch:0 res-rnn.
    """
    kind, seed = _parse(spec)
    if kind == "numpy":
        return np.random.RandomState(seed).permutation(size).astype(np.int64)
    if kind == "torch":
        return _torch(seed, size)
    return np.arange(size, dtype=np.int64)


def digest(permutation: NDArray[np.int64]) -> str:
    """SHA-256 of the permutation as little-endian 64-bit integers, hexadecimal."""
    return hashlib.sha256(permutation.astype("<i8").tobytes()).hexdigest()


def _parse(spec: str) -> tuple[str, int]:
    kind, _, seed = spec.partition(":")
    if spec == "none":
        return "none", 0
    if kind in ("numpy", "torch") and seed.isascii() and seed.isdigit() and int(seed) < _SEEDS:
        return kind, int(seed)
    raise ConfigError(
        f"permutation = '{spec}' is not one of: {FORMS} (SEED an integer from 0 to {_SEEDS - 1}). "
        f"Published ones: numpy:92916, numpy:1234, torch:0."
    )


def _torch(seed: int, size: int) -> NDArray[np.int64]:
    """torch's randperm: a Fisher-Yates shuffle from the front over raw 32-bit Mersenne Twister output."""
    # RandomState seeds the same generator in the same way, and full-range draws are its raw output.
    raw = np.random.RandomState(seed).randint(0, 2**32, size=size, dtype=np.uint32).tolist()
    order = list(range(size))
    for i in range(size - 1):
        j = i + raw[i] % (size - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, dtype=np.int64)
