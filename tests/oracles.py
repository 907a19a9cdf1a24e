"""Plain NumPy restatements of the published equations, the independent side of every comparison.

Written from the papers, time-major and in float64, with no thought for speed. Forward functions also take
complex arrays, so that `complex_gradient` differentiates them to rounding error without a step size.

Source: Li et al., arXiv 1803.04831 and 1910.06251; Ioffe and Szegedy, arXiv 1502.03167.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Named = dict[str, Array]

ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "relu": (lambda a: np.where(a.real > 0, a, 0.0), lambda a: (a.real > 0).astype(float)),
    "tanh": (np.tanh, lambda a: 1 - np.tanh(a) ** 2),
    "identity": (lambda a: a, lambda a: np.ones(a.shape)),
}


def valid_steps(lengths: Array | None, steps: int, batch: int) -> Array:
    """(T, B, 1) ones where a step belongs to its sequence, zeros behind its end."""
    ends = np.full(batch, steps) if lengths is None else np.asarray(lengths)
    return (np.arange(steps)[:, None] < ends).astype(float)[:, :, None]


def indrnn_forward(z: Array, u: Array, h0: Array, activation: str, lengths: Array | None = None) -> Array:
    """h_t = act(z_t + u h_{t-1}), or h_{t-1} behind the end: (T+1, B, N), row 0 being h0, of z (T, B, N)."""
    act = ACTIVATIONS[activation][0]
    rows = [h0]
    for z_t, m_t in zip(z, valid_steps(lengths, *z.shape[:2]), strict=True):
        rows.append(np.where(m_t > 0, act(z_t + u * rows[-1]), rows[-1]))
    return np.stack(rows)


class Recurrence(NamedTuple):
    """What the backward pass of the recurrence needs: its inputs and its states."""

    z: Array
    u: Array
    h: Array
    activation: str
    lengths: Array | None = None


def indrnn_backward(saved: Recurrence, g: Array, step_clip: float = 0.0) -> tuple[Array, Array, Array]:
    """(dz, du, dh0) for g_t = dL/dh_t (T, B, N); delta_t is clipped to +-step_clip before it flows on."""
    slope = ACTIVATIONS[saved.activation][1]
    mask = valid_steps(saved.lengths, *saved.z.shape[:2])
    delta, carry = np.zeros_like(g), np.zeros_like(g[0])
    for t in reversed(range(len(g))):
        dh = g[t] + carry
        delta[t] = mask[t] * dh * slope(saved.z[t] + saved.u * saved.h[t])
        if step_clip:
            delta[t] = np.clip(delta[t], -step_clip, step_clip)
        carry = saved.u * delta[t] + (1 - mask[t]) * dh
    return delta, (delta * saved.h[:-1]).sum((0, 1)), carry


def bounded(u: Array, low: float, high: float) -> Array:
    """In-graph bound of batzner/indrnn: sign(u) max(|u|, low), then clipped to +-high."""
    grown = np.where(np.abs(u.real) < low, np.sign(u.real) * low, u)
    return np.where(np.abs(grown.real) > high, np.sign(grown.real) * high, grown)


class Normalised(NamedTuple):
    """Output of a batch normalisation with its statistics; n is the number of pooled rows."""

    y: Array
    xhat: Array
    mean: Array
    var: Array
    n: Array


def _mean(h: Array, mask: Array, kind: str) -> Array:
    axes = (0, 1) if kind == "time" else (1,)
    return (mask * h).sum(axes, keepdims=True) / np.maximum(mask.sum(axes, keepdims=True), 1)


def norm_forward(
    h: Array, gamma: Array, beta: Array, eps: float, kind: str, lengths: Array | None = None
) -> Normalised:
    """gamma (h - mean) / sqrt(var + eps) + beta with the biased variance of the pooled rows.

    `kind` "time" pools the T*B valid rows, "step" the valid rows of each time step.
    """
    mask = valid_steps(lengths, *h.shape[:2])
    mean = _mean(h, mask, kind)
    var = _mean((h - mean) ** 2, mask, kind)
    xhat = (h - mean) / np.sqrt(var + eps)
    return Normalised(gamma * xhat + beta, xhat, mean, var, mask.sum((0, 1) if kind == "time" else (1,)))


def norm_backward(
    out: Normalised, dy: Array, gamma: Array, eps: float, kind: str, lengths: Array | None = None
) -> tuple[Array, Array, Array]:
    """(dh, dgamma, dbeta): q = dy gamma; dh = (q - E[q] - xhat E[q xhat]) / sqrt(var + eps)."""
    mask = valid_steps(lengths, *dy.shape[:2])
    q = mask * dy * gamma
    spread = q - _mean(q, mask, kind) - out.xhat * _mean(q * out.xhat, mask, kind)
    dh = mask * spread / np.sqrt(out.var + eps)
    return dh, (mask * dy * out.xhat).sum((0, 1)), (mask * dy).sum((0, 1))


def shared_mask(rng: np.random.Generator, shape: tuple[int, int], rate: float) -> Array:
    """Inverted dropout, one (B, N) mask for a whole sequence: 0 or 1 / (1 - rate)."""
    return (rng.random(shape) >= rate) / (1.0 - rate)


def cross_entropy(output: Array, target: Array, weight: Array | None = None) -> tuple[float, Array]:
    """-log softmax(output)[target], mean over the target entries of weight 1."""
    w = np.ones(target.shape) if weight is None else weight
    logp = output - np.log(np.exp(output - output.real.max(-1, keepdims=True)).sum(-1, keepdims=True))
    logp = logp - output.real.max(-1, keepdims=True)
    hot = np.eye(output.shape[-1])[target]
    return -(w[..., None] * hot * logp).sum() / w.sum(), (np.exp(logp) - hot) * w[..., None] / w.sum()


def mse(output: Array, target: Array) -> tuple[float, Array]:
    """(output - target)^2, mean over all entries."""
    e = output - target
    return (e**2).sum() / e.size, 2 * e / e.size


def smooth_l1(output: Array, target: Array) -> tuple[float, Array]:
    """e^2/2 where |e| < 1, |e| - 1/2 elsewhere, mean over all entries."""
    e = output - target
    far = np.abs(e.real) >= 1
    return np.where(far, np.sign(e.real) * e - 0.5, e**2 / 2).sum() / e.size, np.clip(e.real, -1, 1) / e.size


def complex_gradient(loss: Callable[[Array], complex], at: Array) -> Array:
    """d loss / d at, entry by entry, from Im loss(at + ih) / h; exact for any analytic piece."""
    gradient = np.zeros(at.shape)
    for k in np.ndindex(at.shape):
        shifted = at.astype(complex)
        shifted[k] += 1e-30j
        gradient[k] = loss(shifted).imag / 1e-30
    return gradient


def difference_gradient(loss: Callable[[Array], float], at: Array, h: float = 1e-6) -> Array:
    """d loss / d at, entry by entry, from central differences."""
    gradient = np.zeros(at.shape)
    for k in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[k] += h
        down[k] -= h
        gradient[k] = (loss(up) - loss(down)) / (2 * h)
    return gradient
