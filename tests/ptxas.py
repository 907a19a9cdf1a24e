"""What NVIDIA's assembler reports of a compiled kernel; it needs no device."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

_USED = re.compile(r"Used (\d+) registers")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


class Report(NamedTuple):
    """Registers of a thread, bytes of its stack and of what it spills, of the kernel and all functions beside it."""

    registers: int
    stack: int
    spilled: int


def find() -> Path | None:
    """The ptxas of the extra `ptx`, if it is installed."""
    packages = importlib.util.find_spec("nvidia")
    places = packages.submodule_search_locations if packages else []
    return next((tool for place in places for tool in sorted(Path(place).rglob("bin/ptxas"))), None)


def chip(each: dict) -> str:
    """The architecture of a kernel of `ptx_of_kernels.py`."""
    return f"sm_{each['capability'][0]}{each['capability'][1]}"


def assemble(tool: Path, each: dict, folder: Path) -> Report:
    """The report on one kernel of `ptx_of_kernels.py`; `folder` is for files."""
    file = folder / "kernel.ptx"
    file.write_text(each["ptx"])
    command = [str(tool), "-v", f"-arch={chip(each)}", "-o", str(folder / "kernel.cubin"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stacks = [tuple(map(int, found.groups())) for found in _STACK.finditer(done.stderr)]
    registers = max(map(int, _USED.findall(done.stderr)))
    return Report(registers, max(stack for stack, _, _ in stacks), sum(stores + loads for _, stores, loads in stacks))
