"""The JAX peer of the wired IndRNNs: `lax.scan` over time in each layer."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from npr.bench.jax_peer.indrnn import Params, batch_norm, recurrence
from npr.bench.jax_peer.step import training_step
from npr.bench.problem import Problem, Step
from npr.bench.problems import wired


def network(case: wired.Case, params: Params, x: jax.Array) -> jax.Array:
    """Output (B, K); running statistics are left out, which saves JAX a few vectors per layer."""

    def linear(name: str, x: jax.Array) -> jax.Array:
        weight = f"{name}W_in" if f"{name}W_in" in params else f"{name}W"
        return x @ params[weight] + params[f"{name}bias"]

    def unit(i: int, a: jax.Array) -> jax.Array:
        h = recurrence(a, params[f"layers.{i}.u"])
        if case.norm == "none":
            return h
        gamma, beta = params[f"layers.{i}.norm.gamma"], params[f"layers.{i}.norm.beta"]
        zero = jnp.zeros_like(gamma)
        return batch_norm(h, gamma, beta, (zero, zero))[0]

    def join(x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.concatenate([x, y], -1)

    return linear("readout.", wired.network(case, x, unit, linear, join)[-1])


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(lambda params, x: network(problem.case, params, x), problem)
