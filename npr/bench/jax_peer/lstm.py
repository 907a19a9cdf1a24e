"""The JAX peer: `lax.scan` over time, the four gates side by side, the input product hoisted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from npr.bench.jax_peer.step import Params, read_last, training_step
from npr.bench.problem import Problem, Step

State = tuple[jax.Array, jax.Array]


def last_state(params: Params, place: str, x: jax.Array) -> jax.Array:
    """h (B, n) after the last step, from h = c = 0."""
    kinds = ("W_in", "bias", "W_rec")
    W_in, bias, W_rec = (jnp.concatenate([params[f"{place}{q}.{kind}"] for q in "ifgo"], -1) for kind in kinds)

    def step(state: State, a_t: jax.Array) -> tuple[State, None]:
        h, c = state
        i, f, g, o = jnp.split(a_t + h @ W_rec, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((x.shape[1], W_rec.shape[0]), x.dtype)
    return lax.scan(step, (zero, zero), x @ W_in + bias)[0][0]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(read_last(last_state, problem.case.places), problem)
