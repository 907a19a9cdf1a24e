"""What CUDA kernels become, without a device: PTX for two architectures, no double in single precision, no spills."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import ptxas
import pytest

from npr.kernels import cuda_target

HERE = Path(__file__).parent
# Statistics of batch norm, of a few hundred entries, are in double whatever the network computes in.
DOUBLE = {"statistics_each", "affine_each", "average_each", "slopes_each", "moments_each"}
COMPILERS = "numba_cuda", "numba_cuda_mlir"


@pytest.fixture(scope="module")
def compilers(tmp_path_factory):
    """A process for each compiler that is here, without the simulator and all at once, and where their output goes."""
    kept = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    folder, running = tmp_path_factory.mktemp("ptx"), {}
    for name in COMPILERS:
        if importlib.util.find_spec(name):
            command = [sys.executable, str(HERE / "ptx_of_kernels.py"), name]
            with (folder / f"{name}.json").open("w") as out, (folder / f"{name}.txt").open("w") as said:
                running[name] = subprocess.Popen(command, env=kept, stdout=out, stderr=said)
    yield folder, running
    for process in running.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="module", params=COMPILERS)
def compiled(request, compilers):
    """Every copy of every kernel by one compiler."""
    folder, running = compilers
    if request.param not in running:
        pytest.skip(f"needs {request.param}: pip install -e '.[ptx]'")
    code = running[request.param].wait()
    assert code == 0, (folder / f"{request.param}.txt").read_text()[-3000:]
    return json.loads((folder / f"{request.param}.json").read_text())


def _kernels():
    """Names of all CUDA kernels of the package."""
    package = Path(cuda_target.__file__).parent
    text = "".join(file.read_text(encoding="utf-8") for file in package.glob("*.py"))
    return set(re.findall(r"^@cuda_kernel\ndef (\w+)", text, re.MULTILINE))


def test_every_kernel_is_compiled_for_both_types_and_architectures(compiled):
    found = {(each["kernel"], each["real"], each["capability"][0]) for each in compiled}
    both = {(name, real, major) for name in _kernels() for real in ("float32", "float64") for major in (8, 9)}
    assert found == {(name, real, major) for name, real, major in both if name not in DOUBLE or real == "float64"}
    assert all(f".target sm_{each['capability'][0]}{each['capability'][1]}" in each["ptx"] for each in compiled)


def test_no_kernel_of_single_precision_computes_in_double(compiled):
    doubled = {
        each["kernel"]: re.findall(r"^.*\.f64.*$", each["ptx"], re.MULTILINE)[:3]
        for each in compiled
        if each["real"] == "float32" and ".f64" in each["ptx"]
    }
    assert not doubled


def test_nothing_depends_on_the_order_of_atomics(compiled):
    floating = {
        each["kernel"]: re.findall(r"^.*(?:atom|red)\.\S*\.f(?:32|64).*$", each["ptx"], re.M) for each in compiled
    }
    assert not any(floating.values())


def test_blocks_that_wait_see_what_others_have_written(compiled):
    fence = r"fence\.acq_rel\.gpu|fence\.sc\.gpu|membar\.gl"
    waiting = [each["ptx"] for each in compiled if re.search(r"atom\.\S*add", each["ptx"])]
    assert waiting
    for text in waiting:
        before, *_, after = re.split(r"atom\.\S*add", text)
        assert re.search(fence, before)
        assert re.search(fence, after)


def test_no_kernel_spills_registers(compiled, tmp_path):
    tool = ptxas.find()
    if tool is None:
        pytest.skip("needs ptxas: pip install -e '.[ptx]'")
    single = [each for each in compiled if each["real"] == "float32"]
    reports = [(each["kernel"], ptxas.chip(each), ptxas.assemble(tool, each, tmp_path)) for each in single]
    assert reports
    assert not [found for found in reports if found[2].spilled]
