"""One training step of an LSTM, forward and backward: npr's `lstm`, torch.nn.LSTM and JAX's lax.scan.

    python benchmarks/lstm_peers.py                  # every case of cases_lstm.toml, three rounds
    python benchmarks/lstm_peers.py --rounds 0       # agreement only
    python benchmarks/lstm_peers.py --tiny           # the whole path at sizes whose figures mean nothing

The gradients of all weights and biases are computed; that of the input where the case says so, then by every library.
The ratio is to torch.nn.LSTM, whatever JAX takes. How it is measured: see `peers.py`.
"""

from __future__ import annotations

import sys

from lstm_problem import Case
from peers import Benchmark, main

BENCHMARK = Benchmark(
    "lstm", "npr against PyTorch and JAX on one step of an LSTM.", Case, "cases_lstm.toml", rivals=("torch",)
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, sys.argv[1:]))
