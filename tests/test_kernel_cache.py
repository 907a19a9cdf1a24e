"""Compiled kernels on disk: they are found again, and nothing that happens to the files costs more than a compilation.

Permissions hold nobody back who is root, so a folder that cannot be written is a file, or a folder in a file's place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

# One small kernel, twice in one process: the second time with other types. The disk may be full.
PROGRAM = """
import json, sys
import numpy as np
from npr.kernels.update import sum_of_squares
if sys.argv[1:] == ["full"]:
    from numba.core.caching import IndexDataCacheFile
    def full(*arguments):
        raise OSError(28, "No space left on device")
    IndexDataCacheFile._save_data = IndexDataCacheFile._save_index = full
found = [sum_of_squares(np.ones(5, dtype)) for dtype in (np.float32, np.float64)]
print(json.dumps([found, sum(sum_of_squares.stats.cache_hits.values())]))
"""
SUMS, KERNELS = [5.0, 5.0], 2


class Cache(NamedTuple):
    """A folder of compiled kernels, and its files."""

    path: Path

    def files(self, ending: str) -> list[Path]:
        return sorted(self.path.rglob(f"*.{ending}"))

    def hits(self, *arguments: str) -> int:
        """Kernels that were found there, after a run whose results are right and which says nothing else."""
        environment = {**os.environ, "NPR_CACHE_DIR": str(self.path), "NUMBA_DISABLE_JIT": "0"}
        command = [sys.executable, "-c", PROGRAM, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        sums, hits = json.loads(done.stdout)
        assert sums == SUMS
        return hits


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, bytes]:
    """The files of a cache with the kernel for both types."""
    cache = Cache(tmp_path_factory.mktemp("kernels"))
    assert cache.hits() == 0
    return {file.relative_to(cache.path): file.read_bytes() for file in cache.path.rglob("*.nb?")}


@pytest.fixture
def cache(compiled: dict[Path, bytes], tmp_path: Path) -> Cache:
    for name, content in compiled.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return Cache(tmp_path)


def flipped(content: bytes) -> bytes:
    """One bit in the middle, where machine code stands."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_kernels_are_found_again(cache: Cache) -> None:
    assert (len(cache.files("nbi")), len(cache.files("nbc"))) == (1, KERNELS)
    assert cache.hits() == KERNELS


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "cut": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "zeros at the end": lambda content: content[: len(content) // 2].ljust(len(content), b"\0"),
    "junk": lambda content: bytes(range(256)) * 4,
    "another pickle": lambda content: b"N.",
}


@pytest.mark.parametrize("damage", [*DAMAGE.values(), flipped], ids=[*DAMAGE, "flipped"])
def test_damaged_code_is_compiled_again_and_replaced(cache: Cache, damage: Callable[[bytes], bytes]) -> None:
    for file in cache.files("nbc"):
        file.write_bytes(damage(file.read_bytes()))
    assert cache.hits() == 0
    assert cache.hits() == KERNELS


def renumbered(content: bytes) -> bytes:
    """One bit flipped: the name of the second file of machine code becomes that of another one."""
    at = content.index(b".1.nbc")
    return content[: at + 1] + bytes([content[at + 1] ^ 2]) + content[at + 2 :]


@pytest.mark.parametrize("damage", [*DAMAGE.values(), flipped, renumbered], ids=[*DAMAGE, "flipped", "renumbered"])
def test_a_damaged_index_is_written_anew(cache: Cache, damage: Callable[[bytes], bytes]) -> None:
    for file in cache.files("nbi"):
        file.write_bytes(damage(file.read_bytes()))
    cache.hits()
    assert cache.hits() == KERNELS


def test_a_cache_that_cannot_be_read_or_written_is_done_without(cache: Cache) -> None:
    for file in [*cache.files("nbi"), *cache.files("nbc")]:
        file.unlink()
        file.mkdir()
    assert cache.hits() == 0


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_file_in_the_place_of_the_folder(compiled: dict[Path, bytes], tmp_path: Path, depth: int) -> None:
    parts = next(iter(compiled)).parts[:-1]
    place = tmp_path.joinpath("cache", *parts[:depth])
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    beside = Path(__file__).parent.parent / "npr" / "kernels" / "__pycache__"
    before = set(beside.glob("*.nb?"))
    assert Cache(tmp_path / "cache").hits() == 0
    # Numba's second choice does not notice edits in other files.
    assert set(beside.glob("*.nb?")) == before


def test_a_full_disk_is_no_error(tmp_path: Path) -> None:
    assert Cache(tmp_path).hits("full") == 0
    assert Cache(tmp_path).hits() == 0
