"""The result file of a bench: the figures, and what is needed to measure them again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from npr.bench import machine
from npr.errors import ConfigError, StorageError


def document(arguments: Sequence[str], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Command, machine and versions before the figures."""
    return {
        "benchmark": "bench",
        "command": shlex.join(["npr", "bench", *arguments]),
        "machine": machine.describe(),
        "versions": machine.versions(),
        **figures,
    }


def text(result: Mapping[str, Any]) -> str:
    """A document as JSON."""
    return json.dumps(result, indent=1, allow_nan=False)


def ready(file: Path) -> None:
    """Say now whether `write` has a folder: the measurement before it takes long.

    Raises
    ------
    ConfigError
        If there is no such folder.
    """
    if not file.parent.is_dir():
        raise ConfigError(f"Cannot write '{file}': there is no folder '{file.parent}'.")


def write(file: Path, result: Mapping[str, Any]) -> None:
    """Store a document, whole or not at all.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(text(result) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"Cannot write '{file}': {reason}. Free space or choose another file with -o.") from error
