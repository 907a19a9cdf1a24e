"""How fast the CUDA kernels are: the elementwise scan against copying, recurrences against cuDNN, epochs of pMNIST.

    python benchmarks/device_speed.py [-o FILE] [--tiny]

Medians of repeated passes with the device idle before and after each. cuDNN is what torch.nn.RNN, LSTM and GRU run on a
GPU, in float32 and with TF32, where PyTorch with CUDA is installed; a pass is forward and backward without the
optimiser. Epochs are updates of `npr train` times their number, on synthetic images. `--tiny` goes the whole way at
sizes whose figures mean nothing, in the simulator, too.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import record

from npr import registry
from npr.backends import get_backend
from npr.context import Context
from npr.kernels.scan import Scan, Upstream, scan_back_on, scan_on
from npr.params import pack
from npr.training import resolve
from npr.training.parts import open_parts
from npr.training.state import fresh
from npr.training.update import update

REAL = {
    "steps": 784,
    "units": (128, 256, 512, 1024),
    "batches": (32, 128),
    "scans": ((128, 1024), (128, 128), (32, 128)),
}
TINY = {"steps": 3, "units": (4,), "batches": (2,), "scans": ((2, 4),)}
RUNS = {
    "indrnn 6x128": {"model": "indrnn", "layers": 6, "hidden_size": 128, "batch_size": 32},
    "exprnn 512": {"model": "exprnn", "hidden_size": 512, "batch_size": 100},
}
PEERS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
Row = dict[str, Any]


class Clock:
    """Milliseconds of a call on the device."""

    def __init__(self, backend: Any, repeats: int) -> None:
        self._real, self._xp, self._repeats = not backend.target.simulated, backend.xp, repeats

    def wait(self) -> None:
        """Until the device has nothing to do."""
        if self._real:
            self._xp.cuda.Device().synchronize()

    def median(self, call: Callable[[], object]) -> float:
        """Of some calls after one that compiles."""
        call()
        self.wait()
        found = []
        for _ in range(self._repeats):
            began = time.perf_counter()
            call()
            self.wait()
            found.append((time.perf_counter() - began) * 1e3)
        return statistics.median(found)


def scans(backend: Any, clock: Clock, sizes: dict[str, Any]) -> Iterator[Row]:
    """The elementwise recurrence alone, as a share of what copying moves."""
    xp, T = backend.xp, sizes["steps"]
    one, other = xp.zeros(T * 1000, np.float64), xp.zeros(T * 1000, np.float64)
    copied = 2 * one.nbytes / clock.median(lambda: other.__setitem__(slice(None), one)) / 1e6
    yield {"case": "copy", "gb_per_s": copied}
    for B, N in sizes["scans"]:
        a, h, delta = (xp.zeros((T + row, B, N), np.float32) for row in (0, 1, 0))
        u, none = xp.zeros(N, np.float32), xp.zeros((0, N), np.float32)
        per_row, lengths = xp.zeros((2, B, N), np.float32), xp.asarray(np.full((1, B), T))
        scan = Scan(u, lengths, backend.activations["relu"], 1, 0.0)
        up = Upstream(xp.zeros((0, B, N), np.float32), u[:0], u[:0], 0)

        def forward(a=a, h=h, scan=scan, none=none):
            scan_on(xp, a, none, scan, h, 0, none)

        def backward(a=a, h=h, scan=scan, up=up, none=none, per_row=per_row, delta=delta):
            scan_back_on(a, up, scan, h, 0, delta, none, per_row[0], per_row[1])

        for name, call, arrays in (("forward", forward, 2), ("backward", backward, 3)):
            ms = clock.median(call)
            rate = arrays * a.nbytes / ms / 1e6
            yield {"case": f"scan {name} B={B} N={N}", "ms": ms, "gb_per_s": rate, "of_copy": rate / copied}


def recurrences(backend: Any, clock: Clock, sizes: dict[str, Any]) -> Iterator[Row]:
    """Both passes of one layer with 10 inputs, beside cuDNN's."""
    T = sizes["steps"]
    for name in PEERS:
        for N in sizes["units"]:
            for B in sizes["batches"]:
                model = registry.models.get(name)(input_size=10, output_size=2, hidden_size=N)
                params, buffers = model.init(np.random.default_rng(0))
                params = pack({key: backend.put(value) for key, value in params.items()})
                x, g = backend.xp.zeros((T, B, 10), np.float32), backend.xp.zeros((B, 2), np.float32)
                context = Context(backend)

                def both(model=model, params=params, buffers=buffers, x=x, g=g, context=context):
                    cache = model.forward(context, params, buffers, x).cache
                    model.backward(context, params, cache, g, input_gradient=False)

                row = {"case": f"{name} T={T} B={B} N={N}", "ms": clock.median(both)}
                yield row | cudnn(PEERS[name], clock, T, B, N)


def cudnn(name: str, clock: Clock, T: int, B: int, N: int) -> Row:
    """Milliseconds of PyTorch's layer on the device, nothing where there is none."""
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return {}
    if not torch.cuda.is_available():
        return {}
    layer = getattr(torch.nn, name)(10, N).cuda()
    x = torch.zeros(T, B, 10, device="cuda")
    found = {}
    for key, allowed in (("cudnn_ms", False), ("cudnn_tf32_ms", True)):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed

        def both() -> None:
            layer.zero_grad()
            layer(x)[0][-1].sum().backward()
            torch.cuda.synchronize()

        found[key] = clock.median(both)
    return found


def epochs(clock: Clock, tiny: bool) -> Iterator[Row]:
    """Seconds of an epoch of permuted MNIST."""
    for name, options in RUNS.items():
        small = {"hidden_size": 4, "layers": 1, "batch_size": 2} if tiny else {}
        flags = {"task": "pmnist", "preset": "none", "device": "cuda", "data": "synthetic", **options, **small}
        parts = open_parts(resolve(flags), lambda line: None)
        state = fresh(parts)
        ms = clock.median(lambda parts=parts, state=state: update(parts, state))
        yield {"case": name, "ms": ms, "epoch_seconds": ms * parts.epoch_length() / 1e3}


def main() -> None:
    """Measure, print, and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args()
    backend = get_backend("cuda")
    sizes, clock = TINY if chosen.tiny else REAL, Clock(backend, 1 if chosen.tiny else chosen.repeats)
    rows: list[Row] = []
    for found in (scans(backend, clock, sizes), recurrences(backend, clock, sizes), epochs(clock, chosen.tiny)):
        for row in found:
            rows.append(row)
            print(", ".join(f"{key} {value:.4g}" if key != "case" else value for key, value in row.items()), flush=True)
    if chosen.output:
        figures = {"device": backend.describe(), "tiny": chosen.tiny, "cases": rows}
        record.write_to(chosen.output, record.document("device_speed", sys.argv[1:], figures))


if __name__ == "__main__":
    main()
