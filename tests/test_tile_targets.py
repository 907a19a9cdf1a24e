"""The tile product of other processors, read from assembly: sums stay in registers; and the reader sees it if not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import inner_loops  # noqa: E402
import tile_targets  # noqa: E402

# One of each kind of vectors: full tiles, then the smaller ones that follow them.
TALL, LOW = (12, 8, 6, 5, 4, 3, 2, 1), (6, 5, 4, 3, 2, 1)
ROWS = {"skylake-avx512": TALL, "haswell": LOW, "neoverse-n1": TALL}
SPILLING = {
    "x86-64": """
_product:
    movq %rsp, %rbp
    andq $-32, %rsp
.LBB0_1:
    vmovups (%rax), %ymm0
    vbroadcastss (%rcx,%rdx,4), %ymm1
    vfmadd231ps (%rsp), %ymm1, %ymm2
    vfmadd231ps %ymm0, %ymm1, %ymm3
    vmovups %ymm3, -64(%rbp)
    movq 8(%rsp), %rdx
    decq %r8
    jne .LBB0_1
    retq
""",
    "aarch64": """
product:
    mov x29, sp
.LBB0_1:
    ldp q0, q1, [x1]
    ld1r { v2.4s }, [x2], #4
    ldr q3, [sp, #16]
    ldr x2, [sp, #8]
    fmla v3.4s, v0.4s, v2.4s
    str q3, [x29, #-16] // spilled
    fmla v4.4s, v1.4s, v2.4s
    b.ne .LBB0_1
    ret
""",
}
WITHOUT_MASKED_LOADS = """
_product:
    sub sp, sp, #16
LBB0_1:
    tbnz w9, #0, LBB0_4
LBB0_2:
    ldr s1, [x2], #4
    fmla.4s v2, v0, v1[0]
    subs x8, x8, #1
    b.ne LBB0_1
    ret
LBB0_4:
    ld1.s { v0 }[0], [x1]
    b LBB0_2
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    file = tmp_path_factory.mktemp("targets") / "found.json"
    command = [sys.executable, str(BENCHMARKS / "tile_targets.py"), "--cpu", *ROWS, "-o", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads(file.read_text(encoding="utf-8"))


def _products(found: dict, cpu: str) -> list[dict]:
    for line in found["missing"]:
        if line.startswith(f"{cpu}:"):
            pytest.skip(line)
    return next(one["products"] for one in found["targets"] if one["cpu"] == cpu)


@pytest.mark.parametrize("cpu", ROWS)
def test_the_full_tile_never_touches_the_stack(found: dict, cpu: str) -> None:
    for part in _products(found, cpu):
        full = tile_targets.full_tile(part["loops"])
        assert (full["spills"], full["reloads"]) == (0, 0), part
        assert (full["multiply_adds"], full["accumulators"]) == (2 * ROWS[cpu][0],) * 2
        assert (full["loads"], full["broadcasts"]) == (2, ROWS[cpu][0])


@pytest.mark.parametrize("cpu", ROWS)
def test_no_loop_keeps_a_sum_in_memory(found: dict, cpu: str) -> None:
    for part in _products(found, cpu):
        assert [loop for loop in part["loops"] if loop["spills"]] == []
        plain = {loop["accumulators"] for loop in part["loops"] if not loop["masked"]}
        assert plain == {2 * rows for rows in ROWS[cpu]}


@pytest.mark.parametrize("cpu", SPILLING)
def test_a_spill_is_seen(cpu: str) -> None:
    (loop,) = inner_loops.read(SPILLING[cpu])
    assert loop == inner_loops.Loop(
        multiply_adds=2,
        accumulators=2,
        loads=1 if cpu == "x86-64" else 2,
        broadcasts=1,
        spills=2,
        reloads=1,
        registers=4 if cpu == "x86-64" else 5,
        masked=False,
        jumps=0,
    )


def test_what_a_loop_jumps_to_belongs_to_it() -> None:
    (loop,) = inner_loops.read(WITHOUT_MASKED_LOADS)
    assert (loop.multiply_adds, loop.broadcasts, loop.jumps, loop.masked) == (1, 2, 2, True)


def test_a_tile_too_tall_for_the_registers_spills() -> None:
    product = tile_targets.tile_for(32, 32).multiply
    product.compile(tile_targets.signature("multiply", "float64"))
    (ir,) = product.inspect_llvm().values()
    haswell = next(target for target in tile_targets.TARGETS if target.cpu == "haswell")
    try:
        text = tile_targets.assembly(haswell, re.sub(r"^target .*\n", "", ir, flags=re.MULTILINE))
    except tile_targets.MissingError as error:
        pytest.skip(str(error))
    assert max(loop.spills for loop in inner_loops.read(text)) > 8


def test_a_target_that_is_missing_is_named() -> None:
    nowhere = tile_targets.Target("haswell", "nowhere-unknown-linux-gnu", tile_targets.AVX2)
    with pytest.raises(tile_targets.MissingError, match="haswell: this llvmlite does not compile for nowhere"):
        tile_targets.assembly(nowhere, "")
