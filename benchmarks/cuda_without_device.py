"""What can be measured of the CUDA kernels without a device: registers of every kernel, and how long their tests take.

    python benchmarks/cuda_without_device.py [-o FILE]

Needs the extras `ptx` and `test`. Registers, stack and spills are what ptxas reports of the single-precision kernels
for compute capability 8.0 and 9.0, by compiler. The tests run as in CI, a file at a time in each of two processes,
first with an empty cache, where the CPU kernels that they compare with are compiled, too, then once more.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import record

TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.append(str(TESTS))

import ptxas  # noqa: E402

COMPILERS = "numba_cuda", "numba_cuda_mlir"
FILES = ("test_cuda_*.py", "test_device_m*.py", "test_gradcheck_device.py", "test_bench_device.py", "test_ptx.py")


def kernels(compiler: str, tool: Path) -> Iterator[dict[str, Any]]:
    """What ptxas says of every copy of every single-precision kernel."""
    real = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    program = [sys.executable, str(TESTS / "ptx_of_kernels.py"), compiler]
    made = json.loads(subprocess.run(program, env=real, capture_output=True, text=True, check=True).stdout)
    with tempfile.TemporaryDirectory() as folder:
        for each in (each for each in made if each["real"] == "float32"):
            found = ptxas.assemble(tool, each, Path(folder))._asdict()
            row = {"kernel": each["kernel"], "compiler": compiler, "chip": ptxas.chip(each)}
            yield row | found | {"compiled_seconds": round(each["seconds"], 2)}


def tests(cache: str) -> dict[str, Any]:
    """Seconds of the tests and their closing line."""
    files = sorted(str(file) for pattern in FILES for file in TESTS.glob(pattern))
    command = [sys.executable, "-m", "pytest", "--numprocesses", "2", "--dist", "loadfile", "-rN", *files]
    began = time.perf_counter()
    done = subprocess.run(
        command,
        env={**os.environ, "NPR_CACHE_DIR": cache},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    counts = re.findall(r"\d+ (?:passed|failed|skipped|errors?)", done.stdout)
    return {"seconds": round(seconds, 1), "outcome": ", ".join(counts), "exit_code": done.returncode}


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    chosen = parser.parse_args()
    tool = ptxas.find()
    if tool is None:
        sys.exit('error: there is no ptxas; get it with: pip install -e ".[ptx]"')
    rows = [row for compiler in COMPILERS for row in kernels(compiler, tool)]
    print(f"{len(rows)} kernels, at most {max(row['registers'] for row in rows)} registers")
    with tempfile.TemporaryDirectory() as cache:
        found = {"empty cache": tests(cache), "again": tests(cache)}
    for name, row in found.items():
        print(f"{name}: {row['seconds']:.0f} s, {row['outcome']}")
    if chosen.output:
        record.write_to(
            chosen.output, record.document("cuda_without_device", sys.argv[1:], {"tests": found, "kernels": rows})
        )


if __name__ == "__main__":
    main()
