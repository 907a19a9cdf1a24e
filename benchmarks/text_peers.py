"""One full training update of an LSTM language model: npr, and the same model in PyTorch.

    python benchmarks/text_peers.py --repeats 30     # every case of cases_text.toml, three rounds
    python benchmarks/text_peers.py --rounds 0       # agreement only
    python benchmarks/text_peers.py --tiny           # the whole path at sizes whose figures mean nothing

An update is forward, loss, backward, clipping by the norm and RMSprop; the symbols stay the same. In float64 the
changes of all parameters are compared too. Characters per second are seq_len * batch_size / time. How it is
measured: see `peers.py`.
"""

from __future__ import annotations

import sys

from peers import Benchmark, main
from text_problem import Case

BENCHMARK = Benchmark(
    "text", "npr against PyTorch on one full update of a language model.", Case, "cases_text.toml", ("torch",)
)

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, sys.argv[1:]))
