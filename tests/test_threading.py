"""The thread pool of the kernels gets along with BLAS: no warning reaches the terminal."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import numpy as np, scipy.linalg, numba
import npr
from npr.backends import get_backend
from npr.context import Context

model = npr.build("indrnn", input_size=1, output_size=2, hidden_size=40, layers=2, seq_len=9)
params, buffers = model.init(np.random.default_rng(0))
ctx = Context(get_backend("cpu"))
square = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
for _ in range(3):
    out = model.forward(ctx, params, buffers, np.ones((9, 32, 1), np.float32))
    model.backward(ctx, params, out.cache, np.ones((32, 2), np.float32))
    scipy.linalg.expm(square / 100) @ square
print(numba.threading_layer())
"""


def test_nothing_is_printed_on_the_error_stream() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in ("omp", "workqueue")
