"""Initial values: functions of a generator and a shape, in float64. Weights are (fan_in, fan_out)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from npr.errors import ConfigError
from npr.params import Array
from npr.registry import chosen

Shape = tuple[int, ...]


def normal(rng: np.random.Generator, shape: Shape, std: float = 1.0, mean: float = 0.0) -> Array:
    """N(mean, std^2)."""
    return rng.normal(mean, std, shape)


def uniform(rng: np.random.Generator, shape: Shape, high: float, low: float | None = None) -> Array:
    """U(low, high); U(-high, high) without `low`."""
    return rng.uniform(-high if low is None else low, high, shape)


def glorot_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """U(-b, b) with b = sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010, equation 16; `xavier_uniform` of torch.
    """
    return uniform(rng, shape, float(np.sqrt(6 / (shape[0] + shape[1]))))


def glorot_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """N(0, 2 / (fan_in + fan_out)).

    Source: Glorot and Bengio 2010; `xavier_normal` of torch.
    """
    return normal(rng, shape, float(np.sqrt(2 / (shape[0] + shape[1]))))


def kaiming_uniform(rng: np.random.Generator, shape: Shape, a: float = 0.0) -> Array:
    """U(-b, b) with b = sqrt(6 / ((1 + a^2) fan_in)).

    Source: arXiv 1502.01852, equation 15; IndRNN_pytorch takes a = 8 for its input weights.
    """
    return uniform(rng, shape, float(np.sqrt(6 / ((1 + a * a) * shape[0]))))


def kaiming_normal(rng: np.random.Generator, shape: Shape, a: float = 0.0) -> Array:
    """N(0, 2 / ((1 + a^2) fan_in)).

    Source: arXiv 1502.01852, equation 15.
    """
    return normal(rng, shape, float(np.sqrt(2 / ((1 + a * a) * shape[0]))))


# PT = Sunnydreamrain/IndRNN_pytorch, TH = Sunnydreamrain/IndRNN_Theano_Lasagne, BZ = batzner/indrnn.
WEIGHTS: dict[str, Callable[[np.random.Generator, Shape], Array]] = {
    "kaiming-uniform-8": lambda rng, shape: kaiming_uniform(rng, shape, a=8.0),  # PT
    "kaiming-uniform": kaiming_uniform,  # PT with small_normini
    "kaiming-normal": kaiming_normal,  # PT, output layer
    "glorot-uniform": glorot_uniform,  # TH and BZ, output layer
    "glorot-normal": glorot_normal,
    "normal-0.001": lambda rng, shape: normal(rng, shape, 0.001),  # TH and BZ, adding problem
    "fan-in": lambda rng, shape: uniform(rng, shape, shape[0] ** -0.5),  # torch.nn.Linear
    "uniform-0.1": lambda rng, shape: uniform(rng, shape, 0.1),  # nnRNN language_task.py
    "uniform-0.08": lambda rng, shape: uniform(rng, shape, 0.08),  # karpathy/char-rnn
    "uniform-0.01": lambda rng, shape: uniform(rng, shape, 0.01),  # EUNN and scoRNN
    "uniform-0.001": lambda rng, shape: uniform(rng, shape, 0.001),  # TH MNIST with BN after, BZ sMNIST
    "normal-half": lambda rng, shape: kaiming_normal(rng, shape) / 2,  # TH MNIST with BN before
}

BIASES: dict[str, Callable[[np.random.Generator, Shape], Array]] = {
    "zero": lambda rng, shape: np.zeros(shape[1]),
    "fan-in": lambda rng, shape: uniform(rng, shape[1:], shape[0] ** -0.5),  # torch.nn.Linear
    "uniform-0.08": lambda rng, shape: uniform(rng, shape[1:], 0.08),  # karpathy/char-rnn
}

# Values of u from the bound u_max = mag^(1/T); the lower end of "long", mag^(-1/T), is then 1 / u_max.
RECURRENT: dict[str, Callable[[np.random.Generator, Shape, float], Array]] = {
    "uniform": lambda rng, shape, u_max: uniform(rng, shape, u_max, 0.0),  # all three
    "symmetric": lambda rng, shape, u_max: uniform(rng, shape, u_max),  # BZ adding, layer 1; TH with tanh
    "long": lambda rng, shape, u_max: uniform(rng, shape, u_max, 1 / u_max),  # TH, PT, BZ: last layer
    "one": lambda rng, shape, u_max: np.ones(shape),  # BZ adding, last layer
    "normal-0.4": lambda rng, shape, u_max: normal(rng, shape, 0.2, 0.4),  # TH word-level PTB, 11 layers
}


def weight(name: str, rng: np.random.Generator, shape: Shape) -> Array:
    """A weight matrix by one of the names in `WEIGHTS`.

    Parameters
    ----------
    name : str
        Key of `WEIGHTS`.
    rng : np.random.Generator
        Source of the numbers.
    shape : tuple of int
        (fan_in, fan_out).

    Returns
    -------
    Array (fan_in, fan_out), float64

    Raises
    ------
    ConfigError
        If there is no such name.
    """
    return chosen("weight initialiser", WEIGHTS, name)(rng, shape)


def bias(name: str, rng: np.random.Generator, shape: Shape) -> Array:
    """A bias (fan_out,) in float64 for a weight of shape (fan_in, fan_out), by one of the names in `BIASES`.

    Raises
    ------
    ConfigError
        If there is no such name.
    """
    return chosen("bias initialiser", BIASES, name)(rng, shape)


def recurrent(name: str, rng: np.random.Generator, size: int, u_max: float) -> Array:
    """The recurrent weights u of an IndRNN layer by one of the names in `RECURRENT`.

    Parameters
    ----------
    name : str
        Key of `RECURRENT`.
    rng : np.random.Generator
        Source of the numbers.
    size : int
        Number of units.
    u_max : float
        Bound on |u|. "long" draws from [1 / u_max, u_max]: what a unit saw first is worth between 1 / mag and
        mag at the end of the sequence.

    Returns
    -------
    Array (size,), float64

    Raises
    ------
    ConfigError
        If there is no such name, or `u_max` leaves no room for it.

    Source: arXiv 1803.04831, section 3.1 and the code of its authors.
    """
    draw = chosen("initialiser of u", RECURRENT, name)
    if name == "long" and u_max < 1:
        raise ConfigError(f"u_max = {u_max}: no u fits between 1 / u_max and u_max; set last_u = as-others.")
    return draw(rng, (size,), u_max)


def u_bound(seq_len: int, mag: float = 2.0) -> float:
    """mag^(1 / seq_len): the |u| that multiplies a gradient by at most `mag` over a whole sequence."""
    return float(mag ** (1 / seq_len))
