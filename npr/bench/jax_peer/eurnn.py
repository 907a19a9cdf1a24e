"""The JAX peer of EURNN: complex arrays, and `lax.scan` over time, the input product hoisted."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from npr.bench.jax_peer.step import Params, training_step
from npr.bench.problem import Problem, Step
from npr.bench.problems.eurnn import LAYER, OFFSET

Layer = tuple[jax.Array, jax.Array]


def rotations(params: Params) -> list[Layer]:
    """(diagonal, beside) of every layer, (n,) and complex."""
    found: list[Layer] = []
    angles = (params[f"{LAYER}{name}"] for name in ("theta_even", "phi_even", "theta_odd", "phi_odd"))
    for theta_even, phi_even, theta_odd, phi_odd in zip(*angles, strict=True):
        cos, sin, turn = jnp.cos(theta_even), jnp.sin(theta_even), jnp.exp(1j * phi_even)
        found.append((jnp.concatenate([cos, cos * turn]), jnp.concatenate([-sin * turn, sin])))
        cos, sin, turn = jnp.cos(theta_odd), jnp.sin(theta_odd), jnp.exp(1j * phi_odd)
        one, zero = jnp.ones(1, cos.dtype), jnp.zeros(1, cos.dtype)
        parts = [one, cos * turn, cos, one], [zero, sin, -sin * turn, zero]
        found.append((jnp.concatenate(parts[0]), jnp.concatenate(parts[1])))
    phase = jnp.exp(1j * params[f"{LAYER}omega"])
    return [*found[:-1], (found[-1][0] * phase, found[-1][1] * phase)]


def exchanged(h: jax.Array, odd: int) -> jax.Array:
    """h (B, n) with the units of every pair exchanged."""
    n = h.shape[1]
    m = n // 2
    if odd:
        return jnp.concatenate([h[:, :1], h[:, m : n - 1], h[:, 1:m], h[:, n - 1 :]], 1)
    return jnp.concatenate([h[:, m:], h[:, :m]], 1)


def network(params: Params, x: jax.Array) -> jax.Array:
    """Output (B, K) of h_t = f(x_t U + Rot(h_{t-1})) after the last step, from h = 0."""
    layers, offset = rotations(params), params[f"{LAYER}modrelu"]
    real, imaginary = jnp.split(x @ params[f"{LAYER}W_in"], 2, -1)

    def step(h: jax.Array, z: jax.Array) -> tuple[jax.Array, None]:
        for number, (diagonal, beside) in enumerate(layers):
            h = diagonal * h + beside * exchanged(h, number % 2)
        a = z + h
        size = jnp.abs(a) + OFFSET
        return a * (jax.nn.relu(size + offset) / size), None

    z = lax.complex(real, imaginary)
    last, _ = lax.scan(step, jnp.zeros_like(z[0]), z)
    return last.real @ params["readout.W"] + params["readout.bias"]


def prepare(problem: Problem, threads: int) -> Step:
    """The step of this library, compiled with its arrays in place."""
    return training_step(network, problem)
