"""One full training update of `exprnn` and `nnrnn` on the copy task: npr, and their original cells in PyTorch.

    python benchmarks/update_peers.py --repeats 30     # every case of cases_update.toml, three rounds
    python benchmarks/update_peers.py --rounds 0       # agreement only
    python benchmarks/update_peers.py --tiny           # the whole path at sizes whose figures mean nothing

An update is the parametrisation, forward, loss, backward, the parametrisation's adjoint and two RMSprop steps with
different rates. In float64 the changes of all parameters are compared too. GFLOP/s count the products of the cell
alone. How it is measured: see `peers.py`.
"""

from __future__ import annotations

import sys

from peers import Benchmark, main
from update_problem import Case

BENCHMARK = Benchmark(
    "update", "npr against PyTorch on one full update of exprnn and nnrnn.", Case, "cases_update.toml", ("torch",)
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, sys.argv[1:]))
