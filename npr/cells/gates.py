"""What the gated cells share: W_in (D, N), W_rec (N, N) and bias (N,) of every gate, named <gate>.W_in and so on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npr import initializers
from npr.context import Pass, Signal
from npr.layers.fold import fold, unfold
from npr.parametrizations.matrix_init import initial_matrix
from npr.params import Array, Buffers, Params


class Unpacked(NamedTuple):
    """Gradients of the gates' parameters, and the two sums that the layer below asks for."""

    params: Params
    sum_dy: Array
    sum_dyh: Array


@dataclass(frozen=True)
class Gates:
    """Initial values and the layout of the parameters of several gates.

    Parameters
    ----------
    names : str
        One letter for each gate, in the kernel's order.
    input_size, hidden_size : int
        D and N.
    w_init, recurrent_init, bias_init : str
        Initial W_in, W_rec and bias, by names of `npr.initializers` and `npr.parametrizations.matrix_init`.
    joint_init : bool
        Draw W_in and W_rec of a gate as one matrix (D + N, N) by `w_init`, and its bias for that many inputs.
    """

    names: str
    input_size: int
    hidden_size: int
    w_init: str
    recurrent_init: str
    bias_init: str
    joint_init: bool = False

    def init(self, rng: np.random.Generator) -> Params:
        """Parameters of every gate, in float64."""
        params: Params = {}
        for gate in self.names:
            params |= {f"{gate}.{name}": value for name, value in self._one(rng).items()}
        return params

    def _one(self, rng: np.random.Generator) -> Params:
        D, N = self.input_size, self.hidden_size
        if self.joint_init:
            W = initializers.weight(self.w_init, rng, (D + N, N))
            return {"W_in": W[:D], "W_rec": W[D:], "bias": self.bias(rng)}
        W_in = initializers.weight(self.w_init, rng, (D, N))
        W_rec = initial_matrix(self.recurrent_init, rng, N)
        return {"W_in": W_in, "W_rec": W_rec, "bias": self.bias(rng)}

    def bias(self, rng: np.random.Generator) -> Array:
        """Initial bias (N,) of one gate, the first or the second, in float64."""
        inputs = self.input_size + self.hidden_size if self.joint_init else self.input_size
        return initializers.bias(self.bias_init, rng, (inputs, self.hidden_size))

    def stacked(self, params: Params, name: str) -> Array:
        """One parameter of all gates side by side: (D, Q N), (N, Q N) or (Q N,)."""
        return np.concatenate([params[f"{gate}.{name}"] for gate in self.names], axis=-1)

    def packed(self, backend: Any, W: Array, transposed: bool = False) -> Array:
        """Panels (Q, P, K, width) of W (K, Q N), or those of each gate's transposed matrix."""
        N = self.hidden_size
        parts = [W[:, q * N : (q + 1) * N] for q in range(len(self.names))]
        return np.stack([backend.pack(part.T if transposed else part) for part in parts])

    def folded(self, run: Pass, x: Signal, W_in: Array, bias: Array) -> tuple[Array, Array]:
        """Panels of the input matrices, and the biases (S, Q, R, N) of every sequence; see `npr.layers.fold`."""
        cut, N = run.slicing, self.hidden_size
        W, spread = fold(x, W_in, bias, (cut.slices, cut.rows))
        rows = spread.reshape(cut.slices, cut.rows, len(self.names), N).transpose(0, 2, 1, 3)
        return self.packed(run.context.backend, W), run.xp.ascontiguousarray(rows)

    def unfolded(self, x: Signal, W_in: Array, dw_in: Array, dw_rec: Array, row_sums: Array) -> Unpacked:
        """Gradients from the sums of every slice dw_in (S, D, Q N), dw_rec (S, N, Q N), row_sums (S, R, Q N)."""
        found = unfold(x, W_in, dw_in, row_sums)
        total = dw_rec.sum(0)
        grads: Params = {}
        for q, gate in enumerate(self.names):
            part = slice(q * self.hidden_size, (q + 1) * self.hidden_size)
            grads[f"{gate}.W_in"], grads[f"{gate}.bias"] = found.W[:, part], found.bias[part]
            grads[f"{gate}.W_rec"] = total[:, part]
        return Unpacked(grads, found.sum_dy, found.sum_dyh)

    def keep(self, run: Pass, values: Iterable[Array]) -> None:
        """Keep the values (S, T, R, N) of the gates under their names."""
        for gate, value in zip(self.names, values, strict=False):
            # What is kept has a row before the first step.
            run.keep(gate, np.concatenate([value[:, :1], value], axis=1))


def side_by_side(arrays: Array) -> Array:
    """Arrays of each gate (S, Q, K, N) as (S, K, Q N)."""
    S, Q, K, N = arrays.shape
    return arrays.transpose(0, 2, 1, 3).reshape(S, K, Q * N)


class GatedCell:
    """What every cell of free matrices answers to its network."""

    def settle(self, params: Params, buffers: Buffers) -> Buffers:
        """Nothing moves."""
        return buffers

    def decays(self, name: str) -> bool:
        """The matrices."""
        return name.rpartition(".")[2] in ("W_in", "W_rec", "peephole")

    def orthogonal(self, name: str) -> bool:
        """No parameter."""
        return False

    def penalty(self, params: Params) -> tuple[float, Params]:
        """None."""
        return 0.0, {}
