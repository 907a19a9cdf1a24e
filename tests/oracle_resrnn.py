"""Plain NumPy restatement of ResRNN, written from its equations: one concatenation a step, no thought for speed.

Rows are sequences and weights stand on the right, so the original's W1 and W2 are transposed. Complex arrays pass
through, so that `oracles.complex_gradient` differentiates it. Source: DoxasticFox/res-rnn, nnmodules/__init__.py.
"""

from __future__ import annotations

import numpy as np
import oracles

Array = np.ndarray


def forward(
    p: dict[str, Array],
    x: Array,
    outputs: int,
    linearity: float,
    state: Array | None = None,
    lengths: Array | None = None,
) -> tuple[Array, Array]:
    """(outputs (T, B, O), last state (B, N)) of x (T, B, D) for p with s0 (N,), W1, W2 (n, n), b1, b2 (n,).

    S_t = linearity R_t + (1 - linearity) F(R_t), R_t = [x_t | the N left-most columns of S_{t-1}], n = D + N.
    """
    batch, n, width = x.shape[1], len(p["b1"]), len(p["s0"])
    kappa = 1 - linearity
    left = np.tile(kappa * p["s0"], (batch, 1)) if state is None else state
    seen = []
    for x_t, m_t in zip(x, oracles.valid_steps(lengths, *x.shape[:2]), strict=True):
        r = np.concatenate([x_t, left], axis=1)
        a = r @ p["W1"] + p["b1"]
        s = linearity * r + kappa * (np.where(a.real > 0, a, 0) @ p["W2"] + p["b2"])
        seen.append(m_t * s[:, n - outputs :])
        left = np.where(m_t > 0, s[:, :width], left)
    return np.stack(seen), left
