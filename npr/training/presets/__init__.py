"""Named settings per model and task: deviations from the defaults, each value with its source or reason.

`laptop` is a useful result in minutes on two cores; `paper` is the published protocol; other names say whose it is.
"""

from __future__ import annotations

from typing import Any

from npr.errors import ConfigError
from npr.registry import unknown
from npr.training.presets import dense, gated, indrnn, resrnn, speech, text
from npr.training.presets.table import Table

DEFAULT = "laptop"
NONE = "none"
PRESETS: Table = {
    **indrnn.TABLE,
    **dense.TABLE,
    **gated.TABLE,
    **resrnn.TABLE,
    **text.TABLE,
    **speech.TABLE,
}


def names(model: str, task: str) -> list[str]:
    """Presets of a model and task, without "none", which every pair has."""
    return sorted(PRESETS.get((model, task), {}))


def find(model: str, task: str, name: str, asked: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values of a preset, and what the user should be told.

    Parameters
    ----------
    model, task : str
        Registry names.
    name : str
        Name of the preset; "none" has no values.
    asked : bool
        Whether the user named it, instead of getting it by default.

    Raises
    ------
    ConfigError
        If the user asked for one that this pair does not have.
    """
    if name in names(model, task):
        return {key: value for key, (value, _) in PRESETS[model, task][name].items()}, ()
    if asked and name != NONE:
        raise ConfigError(unknown(f"preset of {model} on {task}", name, [*names(model, task), NONE]))
    told = (f"There is no preset '{name}' for {model} on {task} yet: the defaults apply.",)
    return {}, () if name == NONE else told
