"""Plain NumPy restatement of the dense recurrence, written from the equations: delta first, everything else from it.

Source: Elman 1990; arXiv 1511.06464 (modReLU); torch.nn.RNN for tanh and ReLU.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import oracles

Array = np.ndarray


class Weights(NamedTuple):
    """W_in (D, N), bias (N,), W_rec (N, N), and the b (N,) of modReLU."""

    W_in: Array
    bias: Array
    W_rec: Array
    modrelu: Array


def activate(name: str, a: Array, b: Array) -> Array:
    """f(a)."""
    if name == "modrelu":
        return np.sign(a) * np.maximum(np.abs(a) + b, 0)
    if name == "complex-modrelu":
        m = a.shape[-1] // 2
        size = np.abs(a[..., :m] + 1j * a[..., m:])
        return a * np.tile(np.maximum(size + b[:m], 0) / size, 2)
    if name == "sigmoid":
        return 1 / (1 + np.exp(-a))
    return oracles.ACTIVATIONS[name][0](a)


def slope(name: str, a: Array, b: Array) -> Array:
    """f'(a), from the pre-activation."""
    if name == "modrelu":
        return ((np.abs(a) + b > 0) & (a != 0)).astype(float)
    if name == "sigmoid":
        return np.exp(-a) / (1 + np.exp(-a)) ** 2
    return oracles.ACTIVATIONS[name][1](a)


def forward(x: Array, w: Weights, h0: Array, activation: str, lengths: Array | None = None) -> tuple[Array, Array]:
    """States (T+1, B, N), row 0 being h0, and pre-activations (T, B, N)."""
    rows, a_all = [h0], []
    for x_t, m_t in zip(x, oracles.valid_steps(lengths, *x.shape[:2]), strict=True):
        a = x_t @ w.W_in + w.bias + rows[-1] @ w.W_rec
        a_all.append(a)
        rows.append(np.where(m_t > 0, activate(activation, a, w.modrelu), rows[-1]))
    return np.stack(rows), np.stack(a_all)


def backward(
    x: Array, w: Weights, h: Array, a: Array, g: Array, activation: str, lengths: Array | None = None
) -> dict[str, Array]:
    """Gradients by name for g = dL/dh_t (T, B, N); g[-1] carries dL/dh_T from outside as well."""
    mask = oracles.valid_steps(lengths, *x.shape[:2])
    delta, carry = np.zeros_like(g), np.zeros_like(g[0])
    d_modrelu = np.zeros_like(w.modrelu)
    for t in reversed(range(len(g))):
        dh = g[t] + carry
        delta[t] = mask[t] * dh * slope(activation, a[t], w.modrelu)
        active = np.abs(a[t]) + w.modrelu > 0
        d_modrelu += (mask[t] * dh * np.sign(a[t]) * active).sum(0)
        carry = delta[t] @ w.W_rec.T + (1 - mask[t]) * dh
    return {
        "W_in": np.einsum("tbd,tbn->dn", x, delta),
        "bias": delta.sum((0, 1)),
        "W_rec": np.einsum("tbm,tbn->mn", h[:-1], delta),
        "modrelu": d_modrelu,
        "x": delta @ w.W_in.T,
        "h0": carry,
    }
