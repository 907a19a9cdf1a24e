"""What the stretches of one sequence have in common, where its backward pass computes the states again.

Adding up a gradient per stretch and then over stretches would round otherwise than one pass over all steps. Hence the
sums go on from stretch to stretch, in the order of the steps, and what is made of them is made at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray


class Stretches:
    """Sums over time, and things made once, by the names of their places in the network.

    Attributes
    ----------
    at_first : bool
        Whether the backward pass has come to the first stretch.
    """

    def __init__(self) -> None:
        self.at_first = False
        self._sums: dict[str, Array] = {}
        self._made: dict[str, Any] = {}
        self._asked: set[str] = set()

    def restart(self) -> None:
        """A backward pass begins: its sums start from zero, whatever an earlier one left."""
        self._sums.clear()

    def begin(self, at_first: bool) -> None:
        """Another stretch begins, on the way back to the first."""
        self.at_first = at_first
        self._asked.clear()

    def sums(self, name: str, zero: Callable[[], Array]) -> Array:
        """The sums of this name so far; zero() in the beginning."""
        # Two sums of one name would be added to each other.
        assert name not in self._asked, name
        self._asked.add(name)
        if name not in self._sums:
            self._sums[name] = zero()
        return self._sums[name]

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What was made under this name, or now is."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]
