"""Optimiser steps in plain NumPy and float64, one parameter at a time, written from the papers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npr.optimizers import SGD, Adam, Optimizer, OptState, RMSprop
from npr.params import Params, pack

SHAPES = {
    "layers.0.W": (7, 5),
    "layers.0.u": (5,),
    "layers.10.W": (5, 5),
    "readout.W": (5, 3),
    "readout.bias": (3,),
}
FACTORS = (1.0, 0.3, 0.5)  # of three consecutive updates, as a schedule would give them


def draw(seed: int, dtype: type = np.float64) -> Params:
    rng = np.random.default_rng(seed)
    return pack({name: rng.normal(size=shape) for name, shape in SHAPES.items()}, dtype)


def step_sgd(o: SGD, p, g, m, lr, t):
    if o.momentum == 0:
        return p - lr * g
    m["v"] = o.momentum * m.get("v", np.zeros_like(p)) + g
    return p - lr * m["v"]


def step_rmsprop(o: RMSprop, p, g, m, lr, t):
    tf1 = o.rmsprop_form == "tf1"
    m["sq"] = o.alpha * m.get("sq", np.full_like(p, 1.0 if tf1 else 0.0)) + (1 - o.alpha) * g**2
    eps = o.eps or (1e-10 if tf1 else 1e-8)
    if tf1:
        m["v"] = o.momentum * m.get("v", 0) + lr * g / np.sqrt(m["sq"] + eps)
        return p - m["v"]
    m["v"] = o.momentum * m.get("v", 0) + g / (np.sqrt(m["sq"]) + eps)
    return p - lr * m["v"]


def step_adam(o: Adam, p, g, m, lr, t):
    m["m"] = o.beta1 * m.get("m", 0) + (1 - o.beta1) * g
    m["v"] = o.beta2 * m.get("v", 0) + (1 - o.beta2) * g**2
    mean, square = m["m"] / (1 - o.beta1**t), m["v"] / (1 - o.beta2**t)
    return p - lr * mean / (np.sqrt(square) + o.eps)


STEPS: dict[type, Callable] = {SGD: step_sgd, RMSprop: step_rmsprop, Adam: step_adam}


def oracle(o: Optimizer, p: np.ndarray, grads: list[np.ndarray], lr: float, wd: float) -> np.ndarray:
    """One parameter after one update for each gradient, in float64."""
    memory: dict[str, np.ndarray] = {}
    p = p.astype(np.float64)
    p = p.astype(np.float64)
    for t, (g, factor) in enumerate(zip(grads, FACTORS, strict=False), start=1):
        g = g.astype(np.float64)
        if o.decay == "coupled":
            p = STEPS[type(o)](o, p, g + wd * p, memory, lr * factor, t)
        else:
            p = STEPS[type(o)](o, p, g, memory, lr * factor, t) - lr * factor * wd * p
    return p


def train(o: Optimizer, params: Params, grads: list[Params], **options) -> OptState:
    state = o.init(params)
    for g, factor in zip(grads, FACTORS, strict=False):
        state = o.update(params, g, state, factor, **options)
    return state
