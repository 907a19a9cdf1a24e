"""`npr.kernels.tile` compiled for processors that are not at hand, and what their inner loops do. No clock.

    python benchmarks/tile_targets.py [--cpu NAME ...] [-o FILE.json]

The tile product is built as npr builds it on a host with such vectors, its IR is compiled for the processor with
numba's options, and the assembly is read (`inner_loops.py`). A processor whose code generator this llvmlite does
not hold is named and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import inner_loops
import record


class Target(NamedTuple):
    """A processor; `extensions` are those by which npr chooses its tile."""

    cpu: str
    triple: str
    extensions: frozenset[str] = frozenset()


LINUX, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
AVX2 = frozenset({"avx2", "fma"})
TARGETS = (
    Target("skylake-avx512", LINUX, AVX2 | {"avx512f"}),
    Target("znver4", LINUX, AVX2 | {"avx512f"}),
    Target("haswell", LINUX, AVX2),
    Target("znver3", LINUX, AVX2),
    Target("neoverse-n1", ARM),
    Target("apple-m1", "arm64-apple-macosx"),
    Target("x86-64", LINUX),
)
DTYPES = ("float32", "float64")
PRODUCTS = ("multiply", "multiply_transposed")


class MissingError(RuntimeError):
    """This llvmlite cannot compile for a target."""


@cache
def tile_for(vector_bytes: int, registers: int) -> ModuleType:
    """`npr.kernels.tile` as it is on a host with such vector registers."""
    from npr.kernels import tile, vector

    host = vector.VECTOR_BYTES, vector.REGISTERS
    vector.VECTOR_BYTES, vector.REGISTERS = vector_bytes, registers
    try:
        spec = importlib.util.spec_from_file_location(f"{tile.__name__}_{vector_bytes}x{registers}", tile.__file__)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        vector.VECTOR_BYTES, vector.REGISTERS = host
    return module


def signature(product: str, dtype: str) -> tuple[Any, ...]:
    """Argument types, rows of A and C being strided where kernels use it."""
    import numba

    element = getattr(numba, dtype)
    strided, whole, panels = element[:, :], element[:, ::1], element[:, :, ::1]
    return (strided, panels, strided, numba.boolean) if product == "multiply" else (whole, whole, whole)


@cache
def _ir(vector_bytes: int, registers: int, product: str, dtype: str) -> str:
    """IR that no host has optimised yet, of no machine."""
    dispatcher = getattr(tile_for(vector_bytes, registers), product)
    dispatcher.compile(signature(product, dtype))
    return re.sub(r"^target .*\n", "", dispatcher.inspect_llvm(dispatcher.signatures[-1]), flags=re.MULTILINE)


def assembly(target: Target, ir: str) -> str:
    """Compile as numba does, for another processor."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        found = llvm.Target.from_triple(target.triple)
    except RuntimeError as error:
        raise MissingError(f"{target.cpu}: this llvmlite does not compile for {target.triple} ({error})") from error
    machine = found.create_target_machine(cpu=target.cpu, opt=3)
    module = llvm.parse_assembly(ir)
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization, tuning.slp_vectorization = True, False
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    return machine.emit_assembly(module)


def read(target: Target) -> dict[str, Any]:
    """The tile npr chooses for a processor and the inner loops of its products."""
    from npr.kernels.vector import describe

    size, registers = describe(target.extensions, target.triple.split("-")[0])
    tile = tile_for(size, registers)
    products = []
    for dtype in DTYPES:
        for product in PRODUCTS:
            loops = inner_loops.read(assembly(target, _ir(size, registers, product, dtype)))
            products.append({"product": product, "dtype": dtype, "loops": [loop._asdict() for loop in loops]})
    chosen = {"vector_bytes": size, "registers": registers, "rows": tile.ROWS, "vectors": tile.VECTORS}
    return {"cpu": target.cpu, "triple": target.triple, **chosen, "products": products}


def full_tile(loops: list[dict[str, Any]]) -> dict[str, Any]:
    """The loop with the most sums; what it does in one step of the product."""
    loop = max((one for one in loops if not one["masked"]), key=lambda one: one["accumulators"])
    steps = max(1, loop["multiply_adds"] // loop["accumulators"])
    counts = {name: loop[name] // steps for name in ("multiply_adds", "loads", "broadcasts")}
    return {**loop, **counts}


def table(found: list[dict[str, Any]]) -> str:
    """One line for each processor, type and product, in Markdown."""
    names = ["processor", "type", "product", "tile", "registers", "multiply-adds", "loads + broadcasts"]
    lines = [[*names, "stack", "spills, all loops"], ["---"] * (len(names) + 2)]
    for one in found:
        for part in one["products"]:
            loops, full = part["loops"], full_tile(part["loops"])
            lanes = one["vector_bytes"] // (4 if part["dtype"] == "float32" else 8)
            lines.append(
                [
                    one["cpu"],
                    part["dtype"],
                    part["product"],
                    f"{one['rows']} x {one['vectors']} x {lanes}",
                    f"{full['registers']} of {one['registers']}",
                    str(full["multiply_adds"]),
                    f"{full['loads']} + {full['broadcasts']}",
                    str(full["spills"] + full["reloads"]),
                    str(sum(loop["spills"] for loop in loops)),
                ]
            )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(arguments: list[str]) -> int:
    names = [target.cpu for target in TARGETS]
    parser = argparse.ArgumentParser(description="Inner loops of the tile product on other processors.")
    parser.add_argument("--cpu", nargs="+", default=names, choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args(arguments)
    # Numba would otherwise optimise the IR for this host before anybody sees it.
    os.environ["NUMBA_OPT"] = "0"
    found, missing = [], []
    for target in (one for one in TARGETS if one.cpu in options.cpu):
        try:
            found.append(read(target))
        except MissingError as error:
            missing.append(str(error))
    if found:
        print(table(found))
    for line in missing:
        print(line, file=sys.stderr)
    if options.output:
        figures = {"missing": missing, "targets": found}
        record.write_to(options.output, record.document("tile_targets", arguments, figures))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
