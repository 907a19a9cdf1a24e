"""Linear maps one after the other with nothing between them, evaluated as the one map that they are.

    y = (...((x W_1 + b_1) W_2 + b_2)...) W_K + b_K = x P_K + c_K
    P_k = P_{k-1} W_k, c_k = c_{k-1} W_k + b_k                                   P_0 = I, c_0 = 0
    dW_k = P_{k-1}^T dP_k + c_{k-1}^T dc_k,  db_k = dc_k,  dP_{k-1} = dP_k W_k^T,  dc_{k-1} = dc_k W_k^T

The products cost once per pass what the maps would cost at every time step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from npr.arrays import namespace
from npr.layers.linear import Linear
from npr.params import Array, Params, prefixed


class Collapsed(NamedTuple):
    """The chain as one map {W, bias}, and what its adjoint needs: W_k, P_{k-1} and c_{k-1} of every map."""

    whole: Params
    weights: list[Array]
    products: list[Array]
    shifts: list[Array]


@dataclass(frozen=True)
class Chain:
    """Maps of widths (d_0, d_1, ..., d_K); parameters <k>.W (d_k, d_{k+1}), <k>.bias (d_{k+1},), k = 0..K-1."""

    widths: tuple[int, ...]

    def init(self, rng: np.random.Generator, how: str, bias: str) -> Params:
        """Initial values in float64, by names of `npr.initializers`."""
        params: Params = {}
        for k, size in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            params |= prefixed(f"{k}.", Linear(*size).init(rng, how, bias))
        return params

    def collapse(self, params: Params) -> Collapsed:
        """The one map, in the dtype of the parameters."""
        W, products, shifts = params["0.W"], [], []
        xp = namespace(W)
        P, c = xp.eye(self.widths[0], dtype=W.dtype), xp.zeros(self.widths[0], W.dtype)
        weights = [params[f"{k}.W"] for k in range(len(self.widths) - 1)]
        for k, W in enumerate(weights):
            products.append(P)
            shifts.append(c)
            P, c = P @ W, c @ W + params[f"{k}.bias"]
        return Collapsed({"W": P, "bias": c}, weights, products, shifts)

    def expand(self, chain: Collapsed, grads: Params) -> Params:
        """Gradients of all maps from those of the one map {W, bias}."""
        found: Params = {}
        dP, dc = grads["W"], grads["bias"]
        for k in reversed(range(len(chain.weights))):
            found[f"{k}.W"] = chain.products[k].T @ dP + np.outer(chain.shifts[k], dc)
            found[f"{k}.bias"] = dc
            dP, dc = dP @ chain.weights[k].T, dc @ chain.weights[k].T
        return found
