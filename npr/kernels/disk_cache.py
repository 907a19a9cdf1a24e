"""Compiled kernels on disk, where a file that is damaged, or cannot be written, costs a compilation and no more.

Numba itself raises what it meets while it reads or writes: an empty index file, as a power cut leaves them, would end
every program until somebody deletes it, and so would a full disk. Damage within machine code would not even be noticed.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from pickletools import genops
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

_DIGEST = hashlib.sha256().digest_size


class _Files(IndexDataCacheFile):
    """Index and data files of one kernel, believed only if the SHA-256 of what they hold stands behind it."""

    def _dump(self, obj: Any) -> bytes:
        data: bytes = super()._dump(obj)
        # A reader of the pickle stops before it.
        return data + hashlib.sha256(data).digest()

    def _load_index(self) -> Any:
        with contextlib.suppress(FileNotFoundError):
            data = Path(self._index_path).read_bytes()
            # Numba's version stands before what `_dump` gave, in a pickle of its own.
            version = next(at for operation, _, at in genops(data) if operation.name == "STOP" and at is not None)
            _check(data[version + 1 :], self._index_path)
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        _check(Path(self._data_path(name)).read_bytes(), name)
        return super()._load_data(name)


def _check(data: bytes, name: str) -> None:
    """Raise ValueError unless the SHA-256 of the data stands behind it."""
    if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise ValueError(f"{name} is damaged")


class DiskCache(FunctionCache):
    """Numba's cache of one kernel.

    Parameters
    ----------
    py_func : function
        The kernel before compilation.

    Raises
    ------
    RuntimeError
        If there is no folder that could be written to.
    """

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        files = self._cache_file
        self._cache_file = _Files(files._cache_path, self._impl.filename_base, files._source_stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is stored for these types; None if there is nothing sound, and damage is then cleared away."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling makes of arbitrary bytes
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store a compiled kernel, if that is possible."""
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)


def keep(compiled: Any, function: Any, folder: Path) -> None:
    """Let a kernel keep what it compiles below `folder`, where numba can write there; else it keeps nothing."""
    with contextlib.suppress(RuntimeError):
        cache = DiskCache(function)
        # Numba's second choice, beside the source, would not notice an edit in another file.
        if Path(cache.cache_path).is_relative_to(folder):
            compiled._cache = cache
