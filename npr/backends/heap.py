"""How the C library's heap deals with memory that was freed."""

from __future__ import annotations

import ctypes
import os

# Parameters of mallopt in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_ON_HEAP, _MOST_FREE = 32 << 20, 512 << 20


def keep_freed_memory() -> bool:
    """Let glibc keep up to 512 MiB of freed memory for the next arrays of up to 32 MiB; false where it is not glibc.

    By default it gives memory back as soon as some 100 KiB to 64 MiB at the end of the heap are free, and fetches it
    again page by page: with several threads that took a third of an update of a 2x128 LSTM. Who sets
    MALLOC_TRIM_THRESHOLD_ or MALLOC_MMAP_THRESHOLD_ in the environment is left with what they say.
    """
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return True
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_ON_HEAP) and mallopt(_TRIM_THRESHOLD, _MOST_FREE))
