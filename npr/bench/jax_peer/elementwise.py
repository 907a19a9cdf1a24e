"""The JAX peer of the elementwise recurrence: the `lax.scan` of `indrnn.py`, without its layers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from npr.bench.jax_peer.indrnn import recurrence
from npr.bench.problem import Arrays, Problem, Step
from npr.bench.problems.elementwise import named


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place; XLA takes its threads from the process."""
    jax.config.update("jax_enable_x64", problem.x.dtype == np.float64)
    given = tuple(jnp.asarray(value) for value in (problem.x, problem.params["u"], problem.target))

    def both(z: jax.Array, u: jax.Array, g: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        h, backward = jax.vjp(recurrence, z, u)
        return h, backward(g)

    def alone(z: jax.Array, u: jax.Array, g: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return recurrence(z, u), ()

    compiled = jax.jit(alone if problem.case.forward else both)

    def run() -> Any:
        return jax.block_until_ready(compiled(*given))

    def collect(result: Any) -> Arrays:
        h, grads = result
        named_grads = {name: np.asarray(value) for name, value in zip(("x", "u"), grads, strict=False)}
        return named(problem, np.asarray(h), named_grads)

    return Step(run, collect)
