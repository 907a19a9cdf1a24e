"""Checks of configuration values, with messages that name the key, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Real
from typing import Any

from npr.errors import ConfigError


def within(interval: str, **values: Any) -> None:
    """Check that every value is a finite number inside an interval.

    Parameters
    ----------
    interval : str
        Two numbers between brackets, "(" and ")" for an end that does not belong to it: "[0, 1)".
    **values
        Key and value as in the configuration.

    Raises
    ------
    ConfigError
        If a value is not a number or lies outside; NaN always does.
    """
    for key, value in values.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number or not _inside(value, interval):
            raise ConfigError(f"{key} = {value!r} is not valid; it must be a number in {interval}.")


def whole(interval: str, **values: object) -> None:
    """Check that every value is an integer inside an interval; see `within`."""
    for key, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{key} = {value!r} is not valid; it must be a whole number in {interval}.")
    within(interval, **values)


def one_of(allowed: Collection[str], **values: object) -> None:
    """Check that every value is one of the strings in `allowed`.

    Raises
    ------
    ConfigError
        If it is not.
    """
    for key, value in values.items():
        if value not in tuple(allowed):
            choices = ", ".join(repr(choice) for choice in allowed)
            raise ConfigError(f"{key} = {value!r} is not valid; it must be one of {choices}.")


def _inside(value: Any, interval: str) -> bool:
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = low <= value if interval[0] == "[" else low < value
    below = value <= high if interval[-1] == "]" else value < high
    return bool(above and below)
