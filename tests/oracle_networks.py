"""Forward passes and parameter counts of the three IndRNN networks, written from the paper in plain NumPy.

Source: Li et al., arXiv 1910.06251, sections 3 and 4; the counts agree with its published logs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from oracles import Array, Named, bounded, indrnn_forward, norm_forward


class Net(NamedTuple):
    """Options of a network; `states` holds the carried h0 and `masks` the dropout mask of each layer."""

    activation: str = "relu"
    norm: str = "time"
    position: str = "after"
    eps: float = 1e-5
    readout: str = "last"
    bounds: tuple[float, float] | None = None
    lengths: Array | None = None
    states: Sequence[Array] | None = None
    masks: Sequence[Array] | None = None
    statistics: Sequence[tuple[Array, Array]] | None = None


def _normalise(p: Named, i: int, h: Array, net: Net, name: str = "norm") -> Array:
    gamma, beta = p[f"layers.{i}.{name}.gamma"], p[f"layers.{i}.{name}.beta"]
    if net.statistics is None:
        return norm_forward(h, gamma, beta, net.eps, net.norm, net.lengths).y
    mean, var = net.statistics[i]
    return gamma * (h - mean) / np.sqrt(var + net.eps) + beta


def unit(p: Named, i: int, z: Array, net: Net, finals: list[Array]) -> Array:
    """IndRNN -> BN -> dropout, or BN -> IndRNN -> dropout; appends the raw last state to `finals`."""
    u = p[f"layers.{i}.u"] if net.bounds is None else bounded(p[f"layers.{i}.u"], *net.bounds)
    h0 = np.zeros(z.shape[1:]) if net.states is None else net.states[i]
    if net.norm != "none" and net.position == "before":
        z = _normalise(p, i, z, net)
    h = indrnn_forward(z, u, h0, net.activation, net.lengths)[1:]
    finals.append(h[-1])
    y = _normalise(p, i, h, net) if net.norm != "none" and net.position == "after" else h
    if f"layers.{i}.second.gamma" in p:
        y = _normalise(p, i, h, net, "second")
    return y if net.masks is None else y * net.masks[i]


def _layer(p: Named, i: int, x: Array, net: Net, finals: list[Array]) -> Array:
    return unit(p, i, x @ p[f"layers.{i}.W_in"] + p[f"layers.{i}.bias"], net, finals)


def _readout(p: Named, y: Array, net: Net) -> Array:
    if net.readout == "last":
        ends = np.full(y.shape[1], len(y)) if net.lengths is None else np.asarray(net.lengths)
        y = y[ends - 1, np.arange(y.shape[1])]
    return y @ p["readout.W"] + p["readout.bias"]


def plain(p: Named, x: Array, net: Net, layers: int) -> tuple[Array, list[Array]]:
    """(output, last states): `layers` times Linear -> unit, then the readout."""
    finals: list[Array] = []
    for i in range(layers):
        x = _layer(p, i, x, net, finals)
    return _readout(p, x, net), finals


def residual(p: Named, x: Array, net: Net, blocks: int, last: bool = False) -> tuple[Array, list[Array]]:
    """(output, last states): stem, `blocks` times x + Linear(unit(Linear(unit(x)))), a unit, perhaps a layer, the
    readout."""
    finals: list[Array] = []
    x = x @ p["stem.W"] + p["stem.bias"]
    for block in range(blocks):
        f = x
        for i in (2 * block, 2 * block + 1):
            f = unit(p, i, f, net, finals) @ p[f"layers.{i}.linear.W"] + p[f"layers.{i}.linear.bias"]
        x = x + f
    x = unit(p, 2 * blocks, x, net, finals)
    return _readout(p, _layer(p, 2 * blocks + 1, x, net, finals) if last else x, net), finals


def dense(
    p: Named, x: Array, net: Net, blocks: Sequence[int], last_transition: bool = True, first_layer: bool = True
) -> tuple[Array, list[Array]]:
    """(output, last states): first layer, then per block bottleneck pairs, concatenated, and a transition."""
    finals: list[Array] = []
    if first_layer:
        x = _layer(p, 0, x, net, finals)
    for number, pairs in enumerate(blocks, 1):
        for _ in range(pairs):
            new = _layer(p, len(finals), x, net, finals)
            x = np.concatenate([x, _layer(p, len(finals), new, net, finals)], axis=-1)
        if number < len(blocks) or last_transition:
            x = _layer(p, len(finals), x, net, finals)
    return _readout(p, x, net), finals


def plain_count(inputs: int, outputs: int, hidden: int, layers: int) -> int:
    """Trainable scalars of the plain network: Linear has a bias, every unit a u, a gamma and a beta."""
    fan_ins = [inputs] + [hidden] * (layers - 1)
    return sum((fan_in + 1 + 3) * hidden for fan_in in fan_ins) + (hidden + 1) * outputs


def residual_count(inputs: int, outputs: int, hidden: int, blocks: int) -> int:
    """Trainable scalars of the residual network."""
    linears = (inputs + 1) * hidden + 2 * blocks * (hidden + 1) * hidden
    return linears + (2 * blocks + 1) * 3 * hidden + (hidden + 1) * outputs


def dense_count(inputs: int, outputs: int, growth: int, blocks: Sequence[int]) -> int:
    """Trainable scalars of the dense network: first layer 6k, bottleneck 4k, halved after every block."""
    width, total = 6 * growth, (inputs + 4) * 6 * growth
    for pairs in blocks:
        for _ in range(pairs):
            total += (width + 4) * 4 * growth + (4 * growth + 4) * growth
            width += growth
        total, width = total + (width + 4) * (width // 2), width // 2
    return total + (width + 1) * outputs
