"""LSTM and GRU networks in plain NumPy, forward and backward by hand: delta of every gate first, the rest from it.

Source: Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000; arXiv 1406.1078 and torch.nn.GRU;
the full peephole into the output gate as in the printed formula o = sigmoid(x W + h' U + c V + b).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from oracles import Array, Named, valid_steps


class Net(NamedTuple):
    """A network: kind "lstm" or "gru", states (B, 2N) or (B, N) and, if any, dropout masks (B, N) by layer."""

    kind: str
    layers: int
    readout: str = "last"
    reset: str = "after"
    update: str = "old"
    lengths: Array | None = None
    masks: Sequence[Array] | None = None


class Run(NamedTuple):
    """What a layer did: its input x (T, B, D), its series (T, B, N), and h, for the LSTM c too, with T+1 rows."""

    x: Array
    series: Named
    h: Array
    c: Array


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def affine(p: Named, gate: str, x: Array, h: Array) -> Array:
    """x W_in + h W_rec + both biases, so far as there are two."""
    return x @ p[f"{gate}.W_in"] + h @ p[f"{gate}.W_rec"] + p[f"{gate}.bias"] + p.get(f"{gate}.bias_rec", 0)


def lstm_forward(p: Named, x: Array, start: Array, net: Net) -> Run:
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t), from start = [h | c]."""
    first_h, first_c = np.split(start, 2, axis=1)
    h, c, series = [first_h], [first_c], []
    for x_t, m_t in zip(x, valid_steps(net.lengths, *x.shape[:2]), strict=True):
        i, f, o = (sigmoid(affine(p, gate, x_t, h[-1])) for gate in "ifo")
        g = np.tanh(affine(p, "g", x_t, h[-1]))
        new = f * c[-1] + i * g
        if "peephole" in p:
            o = sigmoid(affine(p, "o", x_t, h[-1]) + new @ p["peephole"])
        series.append({"i": i, "f": f, "g": g, "o": o, "c": new})
        h.append(np.where(m_t > 0, o * np.tanh(new), h[-1]))
        c.append(np.where(m_t > 0, new, c[-1]))
    return Run(x, stacked(series), np.stack(h), np.stack(c))


def lstm_backward(p: Named, run: Run, dy: Array, carry: Array, net: Net) -> Named:
    """Gradients by name, with x and start, from dL/dh_t (T, B, N) and dL/d[h | c]_T."""
    mask, s = valid_steps(net.lengths, *run.x.shape[:2]), run.series
    delta = {gate: np.zeros_like(dy) for gate in "ifgo"}
    dh, dc = np.split(carry, 2, axis=1)
    for t in reversed(range(len(dy))):
        i, f, g, o = (s[gate][t] for gate in "ifgo")
        squashed = np.tanh(run.c[t + 1])
        dh = dh + dy[t]
        delta["o"][t] = mask[t] * dh * squashed * o * (1 - o)
        dc = dc + mask[t] * dh * o * (1 - squashed**2)
        if "peephole" in p:
            dc = dc + delta["o"][t] @ p["peephole"].T
        delta["i"][t] = mask[t] * dc * g * i * (1 - i)
        delta["f"][t] = mask[t] * dc * run.c[t] * f * (1 - f)
        delta["g"][t] = mask[t] * dc * i * (1 - g**2)
        dh = (1 - mask[t]) * dh + sum(delta[gate][t] @ p[f"{gate}.W_rec"].T for gate in "ifgo")
        dc = (1 - mask[t]) * dc + mask[t] * dc * f
    grads = gate_gradients(p, run, delta, dict.fromkeys("ifgo", run.h[:-1]))
    if "peephole" in p:
        grads["peephole"] = np.einsum("tbm,tbn->mn", run.c[1:], delta["o"])
    return grads | {"start": np.concatenate([dh, dc], axis=1)}


def gru_forward(p: Named, x: Array, start: Array, net: Net) -> Run:
    """h_t = (1 - z) n + z h_{t-1}, the weights swapped where z weighs the new state, from start = h."""
    h, series = [start], []
    for x_t, m_t in zip(x, valid_steps(net.lengths, *x.shape[:2]), strict=True):
        r, z = (sigmoid(affine(p, gate, x_t, h[-1])) for gate in "rz")
        if net.reset == "after":
            n = np.tanh(x_t @ p["n.W_in"] + p["n.bias"] + r * (h[-1] @ p["n.W_rec"] + p["n.bias_rec"]))
        else:
            n = np.tanh(x_t @ p["n.W_in"] + p["n.bias"] + (r * h[-1]) @ p["n.W_rec"])
        series.append({"r": r, "z": z, "n": n})
        old = z if net.update == "old" else 1 - z
        h.append(np.where(m_t > 0, old * h[-1] + (1 - old) * n, h[-1]))
    return Run(x, stacked(series), np.stack(h), np.empty(0))


def gru_backward(p: Named, run: Run, dy: Array, carry: Array, net: Net) -> Named:
    """Gradients by name, with x and start, from dL/dh_t (T, B, N) and dL/dh_T."""
    mask, after = valid_steps(net.lengths, *run.x.shape[:2]), net.reset == "after"
    delta = {gate: np.zeros_like(dy) for gate in "rzn"}
    sign = 1 if net.update == "old" else -1
    dh = carry
    for t in reversed(range(len(dy))):
        r, z, n = (run.series[gate][t] for gate in "rzn")
        h = run.h[t]
        old = z if net.update == "old" else 1 - z
        dh = dh + dy[t]
        delta["z"][t] = mask[t] * dh * sign * (h - n) * z * (1 - z)
        delta["n"][t] = mask[t] * dh * (1 - old) * (1 - n**2)
        if after:
            dr = delta["n"][t] * (h @ p["n.W_rec"] + p["n.bias_rec"])
            through = (delta["n"][t] * r) @ p["n.W_rec"].T
        else:
            dr = delta["n"][t] @ p["n.W_rec"].T * h
            through = delta["n"][t] @ p["n.W_rec"].T * r
        delta["r"][t] = dr * r * (1 - r)
        through = through + sum(delta[gate][t] @ p[f"{gate}.W_rec"].T for gate in "rz")
        dh = (1 - mask[t]) * dh + mask[t] * dh * old + through
    h, r = run.h[:-1], run.series["r"]
    grads = gate_gradients(p, run, delta, {"r": h, "z": h, "n": r * h})
    if after:
        grads["n.W_rec"] = np.einsum("tbm,tbn->mn", h, r * delta["n"])
        grads["n.bias_rec"] = (r * delta["n"]).sum((0, 1))
    return grads | {"start": dh}


def gate_gradients(p: Named, run: Run, delta: Named, seen: Named) -> Named:
    """What follows from delta and from the states that each gate's W_rec was multiplied with."""
    grads: Named = {"x": sum(d @ p[f"{gate}.W_in"].T for gate, d in delta.items())}
    for gate, d in delta.items():
        grads[f"{gate}.W_in"] = np.einsum("tbd,tbn->dn", run.x, d)
        grads[f"{gate}.W_rec"] = np.einsum("tbm,tbn->mn", seen[gate], d)
        grads[f"{gate}.bias"] = grads[f"{gate}.bias_rec"] = d.sum((0, 1))
    return {name: value for name, value in grads.items() if name == "x" or name in p}


PASSES = {"lstm": (lstm_forward, lstm_backward), "gru": (gru_forward, gru_backward)}


def stacked(series: list[Named]) -> Named:
    """One array (T, B, N) for each name."""
    return {name: np.stack([one[name] for one in series]) for name in series[0]}


def within(p: Named, layer: int) -> Named:
    """Parameters of a layer under their own names."""
    start = f"layers.{layer}."
    return {name.removeprefix(start): value for name, value in p.items() if name.startswith(start)}


class Passed(NamedTuple):
    """Output of a network, last states, and what the layers did."""

    output: Array
    finals: list[Array]
    runs: list[Run]


def top(run: Run, layer: int, net: Net) -> Array:
    """What the next layer sees."""
    return run.h[1:] if net.masks is None else run.h[1:] * net.masks[layer]


def forward(p: Named, x: Array, starts: Sequence[Array], net: Net) -> Passed:
    """All layers and the readout; behind the end of a sequence the outputs are zero."""
    runs: list[Run] = []
    for layer in range(net.layers):
        runs.append(PASSES[net.kind][0](within(p, layer), x, starts[layer], net))
        x = top(runs[-1], layer, net)
    output = valid_steps(net.lengths, *x.shape[:2]) * (x @ p["readout.W"] + p["readout.bias"])
    finals = [np.concatenate([run.h[-1], run.c[-1]], axis=1) if run.c.size else run.h[-1] for run in runs]
    if net.readout == "last":
        # A state stays as it is behind the end, and its mask is the same at every step.
        output = x[-1] @ p["readout.W"] + p["readout.bias"]
    return Passed(output, finals, runs)


def backward(p: Named, passed: Passed, d_output: Array, d_finals: Sequence[Array], net: Net) -> Named:
    """Gradients of all parameters, of x, and of the initial states under the names state.<layer>."""
    y = top(passed.runs[-1], net.layers - 1, net)
    steps = np.zeros((*y.shape[:2], d_output.shape[-1]))
    if net.readout == "last":
        steps[-1] = d_output
    else:
        steps[...] = valid_steps(net.lengths, *y.shape[:2]) * d_output
    grads = {"readout.W": np.einsum("tbn,tbk->nk", y, steps), "readout.bias": steps.sum((0, 1))}
    dy = steps @ p["readout.W"].T
    for layer in reversed(range(net.layers)):
        if net.masks is not None:
            dy = dy * net.masks[layer]
        own = within(p, layer)
        found = PASSES[net.kind][1](own, passed.runs[layer], dy, d_finals[layer], net)
        dy, grads[f"state.{layer}"] = found.pop("x"), found.pop("start")
        grads |= {f"layers.{layer}.{name}": value for name, value in found.items()}
    return grads | {"x": dy}
