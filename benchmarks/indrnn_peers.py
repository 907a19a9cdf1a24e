"""One IndRNN training step, forward and backward: npr, a step-wise PyTorch cell and JAX's lax.scan.

    python benchmarks/indrnn_peers.py                  # every case of cases.toml, three rounds
    python benchmarks/indrnn_peers.py --rounds 0       # agreement only
    python benchmarks/indrnn_peers.py --tiny           # the whole path at sizes whose figures mean nothing

How it is measured: see `peers.py`.
"""

from __future__ import annotations

import sys

from indrnn_problem import Case
from peers import Benchmark, main

BENCHMARK = Benchmark("indrnn", "npr against PyTorch and JAX on one IndRNN training step.", Case)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, sys.argv[1:]))
