"""The text beside the weights in a file that npr writes: which model they are of, and by which convention."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from npr import registry
from npr.training.config import Config
from npr.training.options import options as model_options
from npr.training.options import plain
from npr.training.provenance import versions
from npr.training.tensors import CheckpointError, strict_json

ACTIVATIONS = ("tanh", "relu")


def metadata(config: Config, convention: str, gates: tuple[str, ...], step: int) -> dict[str, str]:
    """Metadata of an exported file.

    Parameters
    ----------
    config : Config
        Of the run.
    convention : str
        Whose names the tensors have.
    gates : tuple of str
        Order of the gates in a matrix; empty where there are none.
    step : int
        Updates that the weights have seen.

    Returns
    -------
    dict of str to str
    """
    model = {key: plain(value) for key, value in config.parts["model"].items()}
    found = {
        "format": "pt" if convention != "npr" else "np",
        "npr": versions()["npr"],
        "convention": convention,
        "model": config.train.model,
        "task": config.train.task,
        "step": str(step),
        "options": json.dumps(model, allow_nan=False),
    }
    if gates:
        found["gates"] = ", ".join(gates)
    if "activation" in model:
        found["activation"] = str(model["activation"])
    return found


def options(found: Mapping[str, str], model: str) -> dict[str, Any]:
    """Options of the model, if `metadata` wrote them for the same one; values are checked by whoever uses them.

    Other keys are dropped: a file from elsewhere must not say where runs are written.
    """
    if found.get("model") != model or "options" not in found:
        return {}
    try:
        table = strict_json(found["options"].encode())
    except CheckpointError:
        return {}
    known = model_options(registry.models.get(model), "model")
    return {key: value for key, value in table.items() if key in known} if isinstance(table, dict) else {}
