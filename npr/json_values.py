"""Values as JSON can hold them."""

from __future__ import annotations

import math
from typing import Any


def finite(value: Any) -> Any:
    """A number, or nested lists and dictionaries, with None in the place of NaN and infinity, which JSON lacks."""
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
