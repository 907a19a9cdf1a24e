"""The JAX peer: `lax.scan` over time, the four gates side by side, the input product hoisted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from npr.bench.jax_peer.step import Params, training_step
from npr.bench.problem import Problem, Step

State = tuple[jax.Array, jax.Array]


def network(params: Params, x: jax.Array) -> jax.Array:
    """Output (B, K) after the last step, from h = c = 0."""
    kinds = ("W_in", "bias", "W_rec")
    W_in, bias, W_rec = (jnp.concatenate([params[f"layers.0.{q}.{kind}"] for q in "ifgo"], -1) for kind in kinds)

    def step(state: State, a_t: jax.Array) -> tuple[State, None]:
        h, c = state
        i, f, g, o = jnp.split(a_t + h @ W_rec, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((x.shape[1], W_rec.shape[0]), x.dtype)
    (last, _), _ = lax.scan(step, (zero, zero), x @ W_in + bias)
    return last @ params["readout.W"] + params["readout.bias"]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(network, problem)
