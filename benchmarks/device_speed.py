"""How long epochs of permuted MNIST take on a device; what a pass takes there is measured by `npr bench --device cuda`.

    python benchmarks/device_speed.py [-o FILE] [--tiny]

Medians of updates of `npr train`, the device idle before and after each, times their number in 55,000 images, which
MNIST has besides the 5,000 for validation. The images are made up.
`--tiny` goes the whole way at sizes whose figures mean nothing, in the simulator, too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import record

from npr.backends import get_backend
from npr.bench.clock import repeat
from npr.bench.own.device import ended
from npr.errors import BackendError
from npr.training import resolve
from npr.training.parts import open_parts
from npr.training.state import fresh
from npr.training.update import update

RUNS = {
    "indrnn 6x128": {"model": "indrnn", "layers": 6, "hidden_size": 128, "batch_size": 32},
    "exprnn 512": {"model": "exprnn", "hidden_size": 512, "batch_size": 100},
}
IMAGES = 55_000
TINY = {"hidden_size": 4, "layers": 1, "batch_size": 2}


def epochs(tiny: bool, repeats: int) -> Iterator[dict[str, Any]]:
    """Milliseconds of an update and seconds of an epoch of every run."""
    for name, options in RUNS.items():
        flags = {"task": "pmnist", "preset": "none", "device": "cuda", "data": "synthetic", **options}
        parts = open_parts(resolve({**flags, **(TINY if tiny else {})}), lambda line: None)
        state = fresh(parts)
        run = ended(lambda parts=parts, state=state: update(parts, state), parts.backend)
        seconds = statistics.median(repeat(run, 1 if tiny else repeats, warm_up=1))
        yield {"case": name, "ms": 1e3 * seconds, "epoch_seconds": seconds * -(-IMAGES // parts.train.batch_size)}


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args()
    try:
        backend: Any = get_backend("cuda")
    except BackendError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    rows = []
    for row in epochs(chosen.tiny, chosen.repeats):
        rows.append(row)
        print(", ".join(f"{key} {value:.4g}" if key != "case" else value for key, value in row.items()), flush=True)
    if chosen.output:
        figures = {"device": backend.describe(), "tiny": chosen.tiny, "cases": rows}
        record.write_to(chosen.output, record.document("device_speed", sys.argv[1:], figures))


if __name__ == "__main__":
    main()
