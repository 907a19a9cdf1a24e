"""The elementwise recurrence alone, h_t = relu(z_t + u * h_{t-1}), and its BPTT from a given dL/dh.

It has no product: its limit is the bandwidth of memory. A float32 of each array is moved once: forward reads z and
writes h, 8 bytes per element; backward reads h and g = dL/dh and writes dL/dz, another 12. The triad beside it moves
12 bytes per element, two read and one written, and what a cache fetches before it is overwritten counts for neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import Array, Arrays, Problem

SHOWN = 8  # sequences of h and dL/dz that are compared: all of them would take gigabytes; dL/du sums over all


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """One layer of `hidden_size` units that is given its pre-activations."""

    peers = ("torch", "torch.compile", "jax")
    cuda_peers = ("torch", "torch-graph")

    @property
    def products(self) -> int:
        """None."""
        return 0

    @property
    def traffic(self) -> int:
        """Two arrays forward, three more backward."""
        return (2 if self.forward else 5) * 4 * self.seq_len * self.batch_size * self.hidden_size

    def tiny(self) -> Case:
        """The same case at an odd size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=41, batch_size=10, hidden_size=35)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """z in `x`, g in `target`, and u as an IndRNN's last layer has it.

    One z in ten ends what the unit remembers: it is far below what any state can be. So no pre-activation is next to
    the kink of relu, where rounding would decide which of two gradients flows.
    """
    rng = np.random.default_rng(seed)
    size = (case.seq_len, case.batch_size, case.hidden_size)
    top = 2.0 ** (1 / case.seq_len)
    params = {"u": rng.uniform(1 / top, top, case.hidden_size)}
    z = rng.uniform(0.5, 1.0, size)
    z[rng.random(size) < 0.1] = -1000.0
    g = rng.random(size, np.float32).astype(dtype)
    return problem.rounded(case, params, z, g, dtype)


def shown(case: Case, x: Array) -> Array:
    """A few sequences of x (T, B, N), far from each other."""
    return x[:, :: -(-case.batch_size // SHOWN)].copy()


def named(given: Problem, h: Array, grads: Arrays) -> Arrays:
    """Results under the names that are compared: sum(g * h) as the loss, and of h and dL/dz the sequences shown."""
    g = given.target
    loss = sum(float((a.astype(np.float64) * b).sum()) for a, b in zip(g, h, strict=True))
    found = {"loss": np.asarray(loss), "output": shown(given.case, h)}
    return found | {name: shown(given.case, value) if name == "x" else value for name, value in grads.items()}
