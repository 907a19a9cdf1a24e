"""Where a parametrisation computes whose parameters lie on a device: there if its matrix is large, else on the host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from npr.arrays import host, namespace
from npr.parametrizations.base import Parametrization, Plain
from npr.parametrizations.euclidean import Euclidean
from npr.params import Array, Buffers, Params

# Units from which on a device makes its own matrices: the host's Schur form takes tens of milliseconds there (see the
# table in `npr.parametrizations.expm`). Chosen, not measured.
DEVICE_UNITS = 512


class Placed(NamedTuple):
    """The methods of `Parametrization` on arrays of either kind.

    W and gradients lie where the arguments do. A device computes in float64 whatever `precision` says. With fewer than
    `DEVICE_UNITS` units theta and dW travel to the host, and W and the gradients back; from the first `settle` on the
    buffers are the host's, so that they do not travel any more.
    """

    inner: Parametrization

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, Any]:
        """W, and a cache for `backward`."""
        xp = _library(theta)
        if there := self._without_travel(xp):
            return there.forward(theta, buffers)
        W, cache = self.inner.forward(_fetched(theta), _fetched(buffers))
        return xp.asarray(W), cache

    def backward(self, cache: Any, dW: Array) -> Params:
        """dL/dtheta."""
        xp = namespace(dW)
        if there := self._without_travel(xp):
            return there.backward(cache, dW)
        return _placed(xp, self.inner.backward(cache, host(dW)))

    def settle(self, theta: Params, buffers: Buffers) -> Buffers:
        """The new buffers; theta may change in place."""
        xp = _library(theta)
        there = self._without_travel(xp)
        if there or getattr(type(self.inner), "settle", None) is Plain.settle:
            return (there or self.inner).settle(theta, buffers)
        before = _fetched(theta)
        after = {name: value.copy() for name, value in before.items()}
        found = self.inner.settle(after, _fetched(buffers))
        for name, value in after.items():
            if not np.array_equal(value, before[name]):
                theta[name][...] = xp.asarray(value)
        return found

    def penalty(self, theta: Params) -> tuple[float, Params]:
        """A term of the loss and its gradient."""
        xp = _library(theta)
        there = self._without_travel(xp)
        if there or getattr(type(self.inner), "penalty", None) is Plain.penalty:
            return (there or self.inner).penalty(theta)
        value, slopes = self.inner.penalty(_fetched(theta))
        return value, _placed(xp, slopes)

    def _without_travel(self, xp: Any) -> Parametrization | None:
        """The parametrisation for arrays of the library xp as they are; None if they have to go to the host."""
        if xp is np or isinstance(self.inner, Euclidean):
            return self.inner
        if self.inner.size < DEVICE_UNITS:
            return None
        inner: Any = self.inner
        return replace(inner, precision="float64") if hasattr(inner, "precision") else inner


def _library(named: Params) -> Any:
    return namespace(next(iter(named.values())))


def _fetched(named: Params) -> Params:
    return {name: host(value) for name, value in named.items()}


def _placed(xp: Any, named: Params) -> Params:
    return {name: xp.asarray(value) for name, value in named.items()}
