"""Memory that was freed is used again without going back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from npr.backends.heap import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def update():
    arrays = [np.ones(size) for size in (300_000, 50_000, 900_000, 20_000, 600_000)]
    del arrays

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    update()
before = faults()
for _ in range(20):
    update()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is told")
def test_no_page_is_fetched_again() -> None:
    found = {}
    for mode in ("default", "kept"):
        done = subprocess.run([sys.executable, "-c", PROGRAM, mode], stdout=subprocess.PIPE, text=True, check=True)
        found[mode] = int(done.stdout)
    assert found["kept"] < 100
    assert found["default"] > 20 * found["kept"], "glibc keeps freed memory by itself now: heap.py can go"
