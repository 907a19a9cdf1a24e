"""A text that only says how many symbols there are, for benchmarks that train on no real one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def made_text(symbols: int, length: int) -> Iterator[str]:
    """Path of a file of at least `length` characters, so many of them different, for as long as the block runs."""
    alphabet = "".join(chr(ord("0") + number) for number in range(symbols))
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        text.write_text(alphabet * (length // symbols + 1), encoding="utf-8")
        yield str(text)
