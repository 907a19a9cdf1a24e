"""The JAX peer of ResRNN: `lax.scan` over time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from npr.bench.jax_peer.step import Params, training_step
from npr.bench.problem import Problem, Step
from npr.bench.problems.resrnn import LAYER, Case


def network(case: Case, params: Params, x: jax.Array) -> jax.Array:
    """The right-most K columns (B, K) after the last step."""
    W1, b1, W2, b2 = (params[f"{LAYER}{name}"] for name in ("W1", "b1", "W2", "b2"))
    skip, gain = case.linearity, 1 - case.linearity

    def step(s: jax.Array, x_t: jax.Array) -> tuple[jax.Array, None]:
        r = jnp.concatenate([x_t, s[:, : case.hidden_size]], 1)
        return skip * r + gain * (jax.nn.relu(r @ W1 + b1) @ W2 + b2), None

    start = jnp.zeros((x.shape[1], case.width), x.dtype).at[:, : case.hidden_size].set(gain * params[f"{LAYER}s0"])
    return lax.scan(step, start, x)[0][:, -case.classes :]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(lambda params, x: network(problem.case, params, x), problem)
