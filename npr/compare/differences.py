"""In which configuration keys runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from npr.training.config import WITHOUT_EFFECT

# The preset is a name only, its values are keys of their own.
_UNCOMPARED = (*WITHOUT_EFFECT, "threads", "checkpoint_every", "preset")
SEEDS = ("seed", "data_seed")
_MISSING = object()


def effective(config: Mapping[str, Any]) -> dict[str, Any]:
    """A flat configuration without what has no effect on the result."""
    # A length in updates replaces the one in epochs.
    unused = (*_UNCOMPARED, "epochs" if config.get("steps") else "steps")
    return {key: value for key, value in config.items() if key not in unused}


def setting(config: Mapping[str, Any]) -> dict[str, Any]:
    """What repetitions of one experiment share: the effective configuration without its seeds."""
    return {key: value for key, value in effective(config).items() if key not in SEEDS}


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The keys in which configurations differ.

    Parameters
    ----------
    configs : sequence of mapping
        Flat configurations.

    Returns
    -------
    dict of str to list
        For each such key its value in every configuration; None where a configuration lacks it.
    """
    keys = dict.fromkeys(key for config in configs for key in config)
    values = {key: [config.get(key, _MISSING) for config in configs] for key in keys}
    return {
        key: [None if value is _MISSING else value for value in found]
        for key, found in values.items()
        if any(value != found[0] for value in found)
    }
