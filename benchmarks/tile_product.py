"""`npr.kernels.tile` alone, per core, against NumPy's BLAS in the same run.

    python benchmarks/tile_product.py [--name tile_product] [--rounds 3] [--threads 2]

Every size is first compared with NumPy in float64. Operands stay in cache, as they do inside a recurrence;
each thread has operands of its own. The two programs take turns, round by round; figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import record

from npr.bench import machine


class Row(NamedTuple):
    """One line of the table: a product and its type."""

    size: tuple[int, int, int]
    dtype: str = "float32"
    transposed: bool = False


# Sizes of the recurrences, published odd ones, both element types, and the weight gradient A^T B.
ROWS = (
    *(Row((rows, 512, 512)) for rows in (128, 64, 32, 16)),
    *(Row((rows, 128, 128)) for rows in (128, 96, 64, 10, 5)),
    *(Row((32, n, n)) for n in (170, 190, 201, 475)),
    *(Row((rows, 128, 128), "float64") for rows in (96, 10)),
    *(Row((rows, 128, 128), "float32", True) for rows in (256, 64)),
    Row((128, 512, 512), "float32", True),
)
GOAL = 100 / 103  # of the large sgemm of one core


def rate_of(row: Row, threads: int) -> dict[str, Callable[[], float]]:
    """What to measure for one line."""
    from npr.bench.ceilings import Size, blas_rate, tile_rate

    size = Size(*row.size)
    # A^T B sums over the rows: BLAS is given the product of the same shape.
    blas = Size(size.inner, size.rows, size.columns) if row.transposed else size
    return {
        "tile": lambda: tile_rate(size, 1, row.dtype, row.transposed),
        f"tile_{threads}": lambda: tile_rate(size, threads, row.dtype, row.transposed) / threads,
        "blas": lambda: blas_rate(blas, 1, row.dtype),
        f"blas_{threads}": lambda: blas_rate(blas, threads, row.dtype) / threads,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """GFLOP/s per core of every line, and of the large sgemm of the same run."""
    from npr.bench.ceilings import SGEMM_SIZE, Size, blas_rate, check

    for row in ROWS:
        check(Size(*row.size), row.dtype, row.transposed)
    found: list[dict[str, list[float]]] = [{} for _ in ROWS]
    large = []
    for _ in range(options.rounds):
        large.append(blas_rate(SGEMM_SIZE, repeats=3))
        for row, rates in zip(ROWS, found, strict=True):
            for name, rate in rate_of(row, options.threads).items():
                rates.setdefault(name, []).append(rate())
    medians = [{name: statistics.median(values) for name, values in rates.items()} for rates in found]
    rows = [{**row._asdict(), "gflops_per_core": m} for row, m in zip(ROWS, medians, strict=True)]
    return {"sgemm_2048": statistics.median(large), "rows": rows}


def table(result: dict[str, Any]) -> str:
    """The lines in Markdown, and the goal."""
    names = list(result["rows"][0]["gflops_per_core"])
    lines = [["rows x inner x columns", "type", *names], ["---"] * (2 + len(names))]
    for row in result["rows"]:
        kind = row["dtype"] + (", A^T B" if row["transposed"] else "")
        rates = (f"{row['gflops_per_core'][name]:.0f}" for name in names)
        lines.append(["x".join(map(str, row["size"])), kind, *rates])
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    median, large = result["median_float32"], result["sgemm_2048"]
    verdict = "held" if median >= GOAL * large else "MISSED"
    return (
        f"{text}\n\nGFLOP/s per core. Median of the tile product over the float32 lines {median:.0f}; "
        f"sgemm 2048^3 on one core {large:.0f}; goal >= {GOAL:.2f} of it: {verdict}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Rates of the register-tile product.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", default="tile_product", help="of the result file in benchmarks/results")
    options = parser.parse_args(arguments)
    machine.pin(options.threads)
    result = record.document("tile_product", arguments, measure(options))
    float32 = [row["gflops_per_core"]["tile"] for row in result["rows"] if row["dtype"] == "float32"]
    result["median_float32"] = statistics.median(float32)
    print(table(result))
    record.write(options.name, result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
