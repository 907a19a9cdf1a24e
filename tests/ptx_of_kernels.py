"""Compiles every CUDA kernel that the models launch to PTX, for every type of argument that they launch it with.

Run as a program with the name of a target: the kernels are recorded instead of launched, and one JSON document tells of
each copy its name, precision, compute capability, PTX and how long it took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from types import SimpleNamespace
from typing import ClassVar

import numpy as np

CAPABILITIES = ((8, 0), (9, 0))
# Between them they launch every kernel with every layout of arguments.
MODELS = ("indrnn", "indrnn-residual", "indrnn-dense", "rnn", "exprnn", "eurnn", "lstm", "gru", "rrn", "resrnn")


class Recorder:
    """Takes the place of a compiled kernel: compiles to PTX for each new signature, launches nothing."""

    made: ClassVar[dict[tuple, dict]] = {}

    def __init__(self, function, types, compile_to_ptx):
        self.function, self.types, self.compile = function, types, compile_to_ptx

    def __getitem__(self, shape):
        return self

    def __call__(self, *arguments):
        signature = tuple(self.type_of(x) for x in arguments)
        real = np.dtype(self.function.__globals__["real"]).name
        for capability in CAPABILITIES:
            key = self.function.__name__, real, capability, str(signature)
            if key not in self.made:
                began = time.perf_counter()
                text = self.compile(self.function, signature, capability)
                names = dict(zip(("kernel", "real", "capability", "signature"), key, strict=True))
                self.made[key] = {**names, "ptx": text, "seconds": time.perf_counter() - began}

    def type_of(self, x):
        """Type of an argument, as the target has it."""
        if isinstance(x, np.ndarray):
            return self.types.Array(getattr(self.types, x.dtype.name), x.ndim, "C" if x.flags.c_contiguous else "A")
        if isinstance(x, (int, float)):
            return self.types.int64 if isinstance(x, int) else self.types.float64
        return getattr(self.types, x.dtype.name)


def numba_cuda():
    """Module, types and compiler of numba-cuda."""
    from numba import cuda, types
    from numba.cuda import dispatcher

    def to_ptx(function, signature, capability):
        # Functions that a kernel calls ask the device for its compute capability, and there is none.
        dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
        return cuda.compile_ptx(function, types.void(*signature), cc=capability)[0]

    return cuda, types, to_ptx


def numba_cuda_mlir():
    """Module, types and compiler of numba-cuda-mlir."""
    from numba_cuda_mlir import cuda, tools, types

    def to_ptx(function, signature, capability):
        # It asks a device even where it is told.
        tools._cached_cc = capability
        return cuda.compile_ptx(function, types.void(*signature), cc=capability)[0]

    return cuda, types, to_ptx


def main(name: str) -> None:
    """Print the document for one target."""
    from npr.kernels import cuda_target

    cuda, types, to_ptx = {"numba_cuda": numba_cuda, "numba_cuda_mlir": numba_cuda_mlir}[name]()

    def compile_kernel(function):
        return Recorder(function, types, to_ptx)

    def compile_device(function):
        return cuda.jit(device=True)(function)

    # Only the fence of the real target, which needs no device, is of interest here.
    fence = {"numba_cuda": cuda_target._numba_cuda, "numba_cuda_mlir": cuda_target._mlir}[name]().fence
    chosen = cuda_target.Target(name, cuda, compile_kernel, compile_device, True, 128, lambda xp: 1200, fence=fence)
    cuda_target.target = lambda: chosen
    launch_all()
    print(json.dumps(list(Recorder.made.values())))


def launch_all() -> None:
    """Both passes of models that between them use every kernel, and the optimisers."""
    from npr import registry
    from npr.backends import get_backend
    from npr.gradcheck_cases import CASES, applies, options_for

    backend = get_backend("cuda")
    for name in MODELS:
        for case in (case for case in CASES if applies(name, case) and case.steps < 20):
            model = registry.models.get(name)(**options_for(name, case, {}))
            for dtype in (np.float32, np.float64):
                launch(backend, model, case, dtype)
    launch_spread(backend)


def launch_spread(backend) -> None:
    """The recurrences of more units than one block can hold, of few here."""
    from npr import registry
    from npr.gradcheck_cases import CASES, options_for
    from npr.kernels import dense, gru, lstm, resident
    from npr.kernels.spread import Spread

    resident.fits = lambda xp, n, dtype: False
    for module in (dense, lstm, gru):
        module.spread_for = lambda xp, gates, rows, n, dtype: Spread(gates, n, 4, -(-n // 4), 8, 1, 8)
    for name in ("rnn", "lstm", "gru"):
        model = registry.models.get(name)(**options_for(name, CASES[0], {}))
        for dtype in (np.float32, np.float64):
            launch(backend, model, CASES[0], dtype)


def launch(backend, model, case, dtype) -> None:
    """Both passes of a model and every optimiser."""
    from npr.context import Context
    from npr.optimizers import SGD, Adam, RMSprop
    from npr.params import pack

    put, rng = backend.put, np.random.default_rng(1)
    params, buffers = model.init(rng, dtype)
    params = pack({key: put(value) for key, value in params.items()})
    buffers = {key: put(value) for key, value in buffers.items()}
    sizes = case.steps, case.batch
    symbols = case.symbols or getattr(model, "embedding_size", 0) > 0
    x = rng.integers(0, model.input_size, sizes) if symbols else rng.normal(size=(*sizes, model.input_size))
    ctx = Context(backend, dropout=True, rng=rng)
    lengths = rng.integers(1, case.steps + 1, case.batch) if case.ragged else None
    out = model.forward(ctx, params, buffers, put(x if symbols else x.astype(dtype)), None, lengths)
    grads = model.backward(ctx, params, out.cache, backend.xp.zeros(out.output.shape, dtype)).params
    for optimizer in (SGD(momentum=0.9), RMSprop(), Adam()):
        optimizer.update(params, grads, optimizer.init(params))
    if hasattr(out.cache.layers, "__len__") and hasattr(out.cache.layers[0][0], "rot"):
        rot = out.cache.layers[0][0].rot
        backend.kernels.rotations.rotations_matrix(rot, backend.xp.empty((2 * rot.cos_last.size,) * 2, dtype))


if __name__ == "__main__":
    os.environ.pop("NUMBA_ENABLE_CUDASIM", None)
    np.seterr(all="ignore")
    main(sys.argv[1])
