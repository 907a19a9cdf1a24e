"""The JAX peer: `lax.scan` over time, the three gates side by side, the input product hoisted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from npr.bench.jax_peer.step import Params, read_last, training_step
from npr.bench.problem import Problem, Step


def last_state(params: Params, place: str, x: jax.Array) -> jax.Array:
    """h (B, n) after the last step, from h = 0."""
    kinds = ("W_in", "bias", "W_rec")
    W_in, bias, W_rec = (jnp.concatenate([params[f"{place}{q}.{kind}"] for q in "rzn"], -1) for kind in kinds)
    bias_rec = params[f"{place}n.bias_rec"]

    def step(h: jax.Array, a_t: jax.Array) -> tuple[jax.Array, None]:
        r, z, n = jnp.split(a_t, 3, axis=1)
        r_rec, z_rec, n_rec = jnp.split(h @ W_rec, 3, axis=1)
        z = jax.nn.sigmoid(z + z_rec)
        n = jnp.tanh(n + jax.nn.sigmoid(r + r_rec) * (n_rec + bias_rec))
        return (1 - z) * n + z * h, None

    return lax.scan(step, jnp.zeros((x.shape[1], W_rec.shape[0]), x.dtype), x @ W_in + bias)[0]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(read_last(last_state, problem.case.places), problem)
