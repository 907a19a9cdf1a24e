"""Small texts for the tests of the task bytes, and what a batch of bits spells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npr.data import search
from npr.tasks.base import Batch
from npr.tasks.byte_batches import ByteDataset
from npr.tasks.bytes import Bytes

# 40 different lines of 2 to 11 bytes, some of them in UTF-8.
LINES = [f"{'é' * (i % 4)}{i} {'ab' * (i % 2)}" for i in range(40)]


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no data but what a test writes there."""
    monkeypatch.delenv(search.VARIABLE, raising=False)
    monkeypatch.setenv("NPR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def opened(content: bytes | list[str], **options: Any) -> ByteDataset:
    """The task on a file of this content or of these lines."""
    if not isinstance(content, bytes):
        content = "".join(f"{line}\n" for line in content).encode()
    Path("my.txt").write_bytes(content)
    return Bytes(**options).open("my.txt", log=lambda line: None)


def whole(dataset: ByteDataset, split: str = "train") -> Batch:
    """All lines of a split as one batch."""
    (batch,) = dataset.batches(split, 1000, np.float64)
    return batch


def said(bits: np.ndarray) -> list[bytes]:
    """Sentences spelt by bits (T, B, 8), most significant first."""
    texts = ["".join("1" if bit else "0" for bit in bits[:, b].ravel()) for b in range(bits.shape[1])]
    return [bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8)) for text in texts]
