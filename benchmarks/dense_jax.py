"""The JAX peer: `lax.scan` over time, the input product hoisted, value and gradient jitted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from problem import Arrays, Problem, Step

Params = dict[str, jax.Array]


def network(params: Params, x: jax.Array) -> jax.Array:
    """Output (B, K) of h_t = tanh(a_t + h_{t-1} W) after the last step, from h = 0."""
    a = x @ params["layers.0.W_in"] + params["layers.0.bias"]

    def step(h: jax.Array, a_t: jax.Array) -> tuple[jax.Array, None]:
        return jnp.tanh(a_t + h @ params["layers.0.recurrent.W"]), None

    last, _ = lax.scan(step, jnp.zeros_like(a[0]), a)
    return last @ params["readout.W"] + params["readout.bias"]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place; XLA takes its threads from the process."""
    jax.config.update("jax_enable_x64", problem.x.dtype == np.float64)
    case = problem.case
    params = {name: jnp.asarray(value) for name, value in problem.params.items()}
    x, rows = jnp.asarray(problem.x), jnp.arange(case.batch_size)
    target = jnp.asarray(problem.target, jnp.int32)

    def loss(params: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        output = network(params, x)
        return -jax.nn.log_softmax(output)[rows, target].mean(), output

    wanted = (0, 1) if case.input_gradient else (0,)
    compiled = jax.jit(jax.value_and_grad(loss, argnums=wanted, has_aux=True))

    def run() -> Any:
        return jax.block_until_ready(compiled(params, x))

    def collect(result: Any) -> Arrays:
        (value, output), (grads, *d_input) = result
        named = {"loss": value, "output": output, **grads, **({"x": d_input[0]} if d_input else {})}
        return {name: np.asarray(array) for name, array in named.items()}

    return Step(run, collect)
