"""Networks by the equations of the libraries that they come from, and by npr's with its named arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npr.interop.stack import CONVENTIONS

Array = np.ndarray
Arrays = dict[str, Array]
T, B, D, N, O = 5, 3, 2, 4, 3
PREFIXES = {"torch-rnn": "rnn.", "torch-lstm": "net.lstm.", "torch-gru": "", "char-rnn-lstm": "", "chainer-lstm": ""}
RNG = np.random.default_rng(11)
X = RNG.normal(size=(T, B, D))


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def foreign(name: str, layers: int = 2, prefix: str | None = None) -> Arrays:
    """Random tensors as the library names and shapes them."""
    rng = np.random.default_rng(7)
    naming, blocks = CONVENTIONS[name].naming, len(CONVENTIONS[name].gates)
    before = PREFIXES[name] if prefix is None else prefix
    found: Arrays = {"embed.W": rng.normal(size=(D, D))} if naming.embedding else {}
    for i in range(layers):
        shapes = ((blocks * N, N if i else D), (blocks * N, N), (blocks * N,), (blocks * N,))
        for template, shape in zip(naming[:4], shapes, strict=True):
            found[before + template.format(i=naming.first + i)] = rng.normal(size=shape)
    top = naming.first + layers
    found[(naming.readout or "head.fc.weight").format(top=top)] = rng.normal(size=(O, N))
    found[(naming.readout_bias or "head.fc.bias").format(top=top)] = rng.normal(size=O)
    return found


def layer_tensors(name: str, arrays: Arrays, i: int) -> list[Array]:
    naming = CONVENTIONS[name].naming
    return [arrays[PREFIXES[name] + template.format(i=naming.first + i)] for template in naming[:4]]


def theirs(name: str, arrays: Arrays) -> Array:
    """Output by the equations in the library's documentation, with its matrices as they are."""
    x = X @ arrays["embed.W"] if name == "chainer-lstm" else X
    for i in range(2):
        W, U, b, c = layer_tensors(name, arrays, i)
        x = THEIRS[name](x, W, U, b, c)
    names = list(arrays)[-2:]
    return x[-1] @ arrays[names[0]].T + arrays[names[1]]


def torch_rnn(x: Array, W: Array, U: Array, b: Array, c: Array) -> Array:
    h, out = np.zeros((B, N)), []
    for x_t in x:
        h = np.tanh(x_t @ W.T + b + h @ U.T + c)
        out.append(h)
    return np.array(out)


def torch_gru(x: Array, W: Array, U: Array, b: Array, c: Array) -> Array:
    h, out = np.zeros((B, N)), []
    for x_t in x:
        a, s = x_t @ W.T + b, h @ U.T + c
        r, z = sigmoid(a[:, :N] + s[:, :N]), sigmoid(a[:, N : 2 * N] + s[:, N : 2 * N])
        n = np.tanh(a[:, 2 * N :] + r * s[:, 2 * N :])
        h = (1 - z) * n + z * h
        out.append(h)
    return np.array(out)


def lstm(cut: Callable[[Array], tuple[Array, ...]]) -> Callable[..., Array]:
    """LSTM whose pre-activations `cut` takes apart into i, f, g, o."""

    def run(x: Array, W: Array, U: Array, b: Array, c: Array) -> Array:
        h, state, out = np.zeros((B, N)), np.zeros((B, N)), []
        for x_t in x:
            i, f, g, o = cut(x_t @ W.T + b + h @ U.T + c)
            state = sigmoid(f) * state + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(state)
            out.append(h)
        return np.array(out)

    return run


THEIRS = {
    "torch-rnn": torch_rnn,
    "torch-gru": torch_gru,
    "torch-lstm": lstm(lambda a: (a[:, :N], a[:, N : 2 * N], a[:, 2 * N : 3 * N], a[:, 3 * N :])),
    "char-rnn-lstm": lstm(lambda a: (a[:, :N], a[:, N : 2 * N], a[:, 3 * N :], a[:, 2 * N : 3 * N])),
    # Row 4u + k is gate k of unit u, in the order a, i, f, o.
    "chainer-lstm": lstm(lambda a: (a[:, 1::4], a[:, 2::4], a[:, 0::4], a[:, 3::4])),
}


def ours(params: Arrays) -> Array:
    """Output by npr's equations, with its named arrays; a second bias acts on the recurrent side."""
    x = X
    for i in range(2):
        own = {
            key.removeprefix(f"layers.{i}."): value for key, value in params.items() if key.startswith(f"layers.{i}.")
        }
        x = OURS["g" if "g.W_in" in own else "z" if "z.W_in" in own else ""](x, own)
    return x[-1] @ params["readout.W"] + params["readout.bias"]


def both(own: Arrays, gate: str, x: Array, h: Array) -> Array:
    return x @ own[f"{gate}.W_in"] + own[f"{gate}.bias"] + h @ own[f"{gate}.W_rec"] + own.get(f"{gate}.bias_rec", 0)


def our_rnn(x: Array, own: Arrays) -> Array:
    h, out = np.zeros((B, N)), []
    for x_t in x:
        h = np.tanh(x_t @ own["W_in"] + own["bias"] + own.get("bias_rec", 0) + h @ own["recurrent.W"])
        out.append(h)
    return np.array(out)


def our_gru(x: Array, own: Arrays) -> Array:
    h, out = np.zeros((B, N)), []
    for x_t in x:
        r, z = sigmoid(both(own, "r", x_t, h)), sigmoid(both(own, "z", x_t, h))
        n = np.tanh(x_t @ own["n.W_in"] + own["n.bias"] + r * (h @ own["n.W_rec"] + own["n.bias_rec"]))
        h = (1 - z) * n + z * h
        out.append(h)
    return np.array(out)


def our_lstm(x: Array, own: Arrays) -> Array:
    h, c, out = np.zeros((B, N)), np.zeros((B, N)), []
    for x_t in x:
        i, f, g, o = (both(own, gate, x_t, h) for gate in "ifgo")
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


OURS = {"": our_rnn, "z": our_gru, "g": our_lstm}
