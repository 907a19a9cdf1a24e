"""A recurrent network on its way between a foreign file and npr: parameters under our names, and what they imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from npr.errors import ConfigError
from npr.interop.contents import shown
from npr.params import Array, Buffers, Params

Arrays = Mapping[str, Array]


class Network(NamedTuple):
    """What a file says about a network.

    Attributes
    ----------
    params : Params
        Under npr's names. The two biases of a layer are apart, "bias" and "bias_rec": see `npr.interop.biases`.
    options : dict
        Configuration keys that follow from the file.
    input_size, output_size : int or None
        Features per step and outputs; None where the file does not say.
    buffers : Buffers
        Statistics; only files of npr itself have them.
    notes : tuple of str
        What the user should be told.
    """

    params: Params
    options: dict[str, Any]
    input_size: int | None
    output_size: int | None
    buffers: Buffers = {}  # noqa: RUF012
    notes: tuple[str, ...] = ()


class Layout(NamedTuple):
    """A way in which files name and order the weights of a network.

    Attributes
    ----------
    about : str
        What it is, for messages.
    models : tuple of str
        Registry names of the models that compute the same function.
    expected : tuple of str
        Names and shapes, for messages.
    fits : callable
        Whether a file with these tensors follows it, judged by their names.
    read : callable
        The network in such tensors; raises ConfigError if a tensor is missing, left over or of another shape.
    """

    about: str
    models: tuple[str, ...]
    expected: tuple[str, ...]
    fits: Callable[[Arrays], bool]
    read: Callable[[Arrays], Network]


class NotExpressible(Exception):
    """A network has parts that a foreign convention has no names for; the message says which."""


def take(arrays: dict[str, Array], name: str, shape: tuple[int | None, ...]) -> Array:
    """Remove one tensor from `arrays`; None in `shape` stands for any size.

    Raises
    ------
    ConfigError
        If it is missing or has another shape.
    """
    if name not in arrays:
        raise ConfigError(f"The file lacks the tensor '{name}'. It holds {listed(arrays)}.")
    value = arrays.pop(name)
    if len(value.shape) != len(shape) or any(want not in (None, n) for want, n in zip(shape, value.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ConfigError(f"The tensor {shown(name)} has the shape {value.shape}, expected ({wanted}).")
    if value.dtype.kind != "f":
        raise ConfigError(f"The tensor {shown(name)} holds {value.dtype}, expected float numbers.")
    return value


def nothing_left(arrays: Arrays, layout: str) -> None:
    """Refuse tensors that nobody took.

    Raises
    ------
    ConfigError
        If there are some.
    """
    if arrays:
        raise ConfigError(f"The file is taken for {layout}, which has no place for {listed(arrays)}.")


def listed(arrays: Arrays, most: int = 16) -> str:
    """Names and shapes, for messages."""
    found = [f"{shown(name)} {tuple(value.shape)}" for name, value in list(arrays.items())[:most]]
    return ", ".join(found) + (f" and {len(arrays) - most} more" if len(arrays) > most else "") if found else "nothing"
