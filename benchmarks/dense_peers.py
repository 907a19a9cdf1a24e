"""One training step of a tanh RNN, forward and backward: npr's `rnn`, torch.nn.RNN and JAX's lax.scan.

    python benchmarks/dense_peers.py                  # every case of cases_dense.toml, three rounds
    python benchmarks/dense_peers.py --rounds 0       # agreement only
    python benchmarks/dense_peers.py --tiny           # the whole path at sizes whose figures mean nothing

The gradients of all weights and biases are computed; that of the input where the case says so, then by every library.
How it is measured: see `peers.py`.
"""

from __future__ import annotations

import sys

from dense_problem import Case
from peers import Benchmark, main

BENCHMARK = Benchmark("dense", "npr against PyTorch and JAX on one step of a tanh RNN.", Case, "cases_dense.toml")

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, sys.argv[1:]))
