"""Value and gradient of a network of JAX, jitted, as one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from npr.bench.problem import Arrays, Problem, Step

Params = dict[str, jax.Array]
Network = Callable[[Params, jax.Array], jax.Array]
Layer = Callable[[Params, str, jax.Array], jax.Array]


def read_last(last_state: Layer, places: tuple[str, ...]) -> Network:
    """The network that reads the last state of a layer, or of two, the second of which is given x from its end.

    `last_state` takes the parameters, what their names begin with, and x (T, B, D), and gives (B, n).
    """

    def network(params: Params, x: jax.Array) -> jax.Array:
        ways = zip(places, (x, x[::-1]), strict=False)
        last = jnp.concatenate([last_state(params, place, given) for place, given in ways], -1)
        return last @ params["readout.W"] + params["readout.bias"]

    return network


def training_step(network: Network, problem: Problem) -> Step:
    """Forward, cross-entropy and, unless the case ends there, backward, compiled; `network` gives (B, K).

    XLA takes its threads from the process.
    """
    jax.config.update("jax_enable_x64", problem.x.dtype == np.float64)
    case = problem.case
    params = {name: jnp.asarray(value) for name, value in problem.params.items()}
    x, rows = jnp.asarray(problem.x), jnp.arange(case.batch_size)
    target = jnp.asarray(problem.target, jnp.int32)

    def loss(params: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        output = network(params, x)
        return -jax.nn.log_softmax(output)[rows, target].mean(), output

    wanted = (0, 1) if getattr(case, "input_gradient", False) else (0,)
    compiled = jax.jit(loss if case.forward else jax.value_and_grad(loss, argnums=wanted, has_aux=True))

    def run() -> Any:
        return jax.block_until_ready(compiled(params, x))

    def collect(result: Any) -> Arrays:
        (value, output), (grads, *d_input) = (result, ({},)) if case.forward else result
        named = {"loss": value, "output": output, **grads, **({"x": d_input[0]} if d_input else {})}
        return {name: np.asarray(array) for name, array in named.items()}

    return Step(run, collect)
