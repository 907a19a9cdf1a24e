"""The form of a preset: every value with its source or reason."""

from __future__ import annotations

from typing import Any

Preset = dict[str, tuple[Any, str]]
# By model and task, then by name.
Table = dict[tuple[str, str], dict[str, Preset]]
