"""The JAX peer: `lax.scan` over time, the input product hoisted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from npr.bench.jax_peer.step import Params, training_step
from npr.bench.problem import Problem, Step


def network(params: Params, x: jax.Array) -> jax.Array:
    """Output (B, K) of h_t = tanh(a_t + h_{t-1} W) after the last step, from h = 0."""
    a = x @ params["layers.0.W_in"] + params["layers.0.bias"]

    def step(h: jax.Array, a_t: jax.Array) -> tuple[jax.Array, None]:
        return jnp.tanh(a_t + h @ params["layers.0.recurrent.W"]), None

    last, _ = lax.scan(step, jnp.zeros_like(a[0]), a)
    return last @ params["readout.W"] + params["readout.bias"]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(network, problem)
