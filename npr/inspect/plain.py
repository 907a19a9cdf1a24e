"""Series as JSON values and as an npz file."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from npr.inspect.series import Found
from npr.json_values import finite


def to_json(found: Found) -> dict[str, dict[str, Any]]:
    """{name: {"axes", "values"}}; NaN and infinity, which JSON lacks, become None."""
    return {name: {"axes": list(s.axes), "values": finite(s.values.tolist())} for name, s in found.items()}


def to_npz(found: Found) -> bytes:
    """Content of an npz file: every array under its name, and "axes", a JSON text of the names of their axes."""
    buffer = io.BytesIO()
    axes = json.dumps({name: series.axes for name, series in found.items()})
    arrays: dict[str, Any] = {name: series.values for name, series in found.items()}
    np.savez_compressed(buffer, axes=np.array(axes), **arrays)
    return buffer.getvalue()
