"""The JAX peer: `lax.scan` over time in every layer, input products hoisted, value and gradient jitted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from npr.bench.problem import Array, Problem, Step
from npr.bench.problems.indrnn import MASK_SEED, NORM_EPS, NORM_MOMENTUM, draw_masks

Params = dict[str, jax.Array]
Running = tuple[tuple[jax.Array, jax.Array], ...]


def recurrence(a: jax.Array, u: jax.Array) -> jax.Array:
    """h_t = relu(a_t + u * h_{t-1}) for all t: (T, B, n), from h = 0."""

    def step(h: jax.Array, a_t: jax.Array) -> tuple[jax.Array, jax.Array]:
        h = jax.nn.relu(a_t + u * h)
        return h, h

    return lax.scan(step, jnp.zeros_like(a[0]), a)[1]


def batch_norm(h: jax.Array, gamma: jax.Array, beta: jax.Array, old: tuple) -> tuple[jax.Array, tuple]:
    """Norm over time and batch, and the new running mean and variance (n / (n - 1) of the batch's)."""
    mean, variance = h.mean((0, 1)), h.var((0, 1))
    n = h.shape[0] * h.shape[1]
    seen = (mean, variance * n / (n - 1))
    new = tuple((1 - NORM_MOMENTUM) * a + NORM_MOMENTUM * b for a, b in zip(old, seen, strict=True))
    return (h - mean) * lax.rsqrt(variance + NORM_EPS) * gamma + beta, new


def network(params: Params, x: jax.Array, running: Running, masks: list[jax.Array]) -> tuple[jax.Array, Running]:
    """Output (B, K) and new running statistics; no norm where there are none, no dropout without masks."""
    signal, statistics = x, []
    for layer in range(sum(name.endswith(".u") for name in params)):
        name = f"layers.{layer}"
        signal = recurrence(signal @ params[f"{name}.W_in"] + params[f"{name}.bias"], params[f"{name}.u"])
        if running:
            gamma, beta = params[f"{name}.norm.gamma"], params[f"{name}.norm.beta"]
            signal, new = batch_norm(signal, gamma, beta, running[layer])
            statistics.append(new)
        if masks:
            signal = signal * masks[layer]
    return signal[-1] @ params["readout.W"] + params["readout.bias"], tuple(statistics)


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place; XLA takes its threads from the process."""
    jax.config.update("jax_enable_x64", problem.x.dtype == np.float64)
    case = problem.case
    params = {name: jnp.asarray(value) for name, value in problem.params.items()}
    x, rows = jnp.asarray(problem.x), jnp.arange(case.batch_size)
    target = jnp.asarray(problem.target, jnp.int32)
    zero = jnp.zeros(case.hidden_size, x.dtype)
    carried: dict[str, Running] = {"running": () if case.norm == "none" else ((zero, zero + 1),) * case.layers}
    rng = np.random.default_rng(MASK_SEED)

    def loss(params: Params, x: jax.Array, running: Running, masks: list) -> tuple[jax.Array, tuple]:
        output, running = network(params, x, running, masks)
        return -jax.nn.log_softmax(output)[rows, target].mean(), (output, running)

    compiled = jax.jit(loss if case.forward else jax.value_and_grad(loss, has_aux=True))

    def run() -> tuple:
        result = compiled(params, x, carried["running"], draw_masks(case, rng, problem.x.dtype))
        carried["running"] = result[1][1] if case.forward else result[0][1][1]
        return jax.block_until_ready(result)

    def collect(result: Any) -> dict[str, Array]:
        (value, (output, _)), grads = (result, {}) if case.forward else result
        return {name: np.asarray(array) for name, array in {"loss": value, "output": output, **grads}.items()}

    return Step(run, collect)
