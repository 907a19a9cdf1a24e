"""The form of a preset: every value with its source or reason."""

from __future__ import annotations

from typing import Any

Preset = dict[str, tuple[Any, str]]
# By model and task, then by name.
Table = dict[tuple[str, str], dict[str, Preset]]


def rmsprop(source: str, lr: float, alpha: float, orth: float = 0.0) -> Preset:
    """RMSprop with one rate, or with a second one for orthogonal parameters."""
    second: Preset = {"lr_orth": (orth, source)} if orth else {}
    return {"optimizer": ("rmsprop", source), "alpha": (alpha, source), "lr": (lr, source), **second}


def without(preset: Preset, *names: str) -> Preset:
    """A preset that leaves out some keys."""
    return {key: value for key, value in preset.items() if key not in names}
