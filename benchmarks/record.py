"""The result file of a benchmark: the figures, and what is needed to measure them again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from npr.bench import machine

RESULTS = Path(__file__).resolve().parent / "results"


def document(benchmark: str, arguments: list[str], figures: Mapping[str, Any]) -> dict[str, Any]:
    """Command, machine and versions before the figures."""
    return {
        "benchmark": benchmark,
        "command": shlex.join(["python", f"benchmarks/{benchmark}.py", *arguments]),
        "machine": machine.describe(),
        "versions": machine.versions(),
        **figures,
    }


def write(name: str, result: Mapping[str, Any]) -> Path:
    """Store a document as benchmarks/results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    return write_to(RESULTS / f"{name}.json", result)


def write_to(file: Path, result: Mapping[str, Any]) -> Path:
    """Store a document in a file of any folder."""
    file.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return file
