"""A parametrisation for parameters that may lie on a device: it computes on the host, in float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from npr.arrays import host, namespace
from npr.parametrizations.base import Parametrization, Plain
from npr.parametrizations.euclidean import Euclidean
from npr.params import Array, Buffers, Params


class OnHost(NamedTuple):
    """The methods of `Parametrization` on arrays of either kind; what they return lies where their arguments do."""

    inner: Parametrization

    def forward(self, theta: Params, buffers: Buffers) -> tuple[Array, Any]:
        """W, and a cache for `backward`."""
        if isinstance(self.inner, Euclidean):
            return self.inner.forward(theta, buffers)
        W, cache = self.inner.forward(_fetched(theta), _fetched(buffers))
        return _library(theta).asarray(W), cache

    def backward(self, cache: Any, dW: Array) -> Params:
        """dL/dtheta."""
        if isinstance(self.inner, Euclidean):
            return self.inner.backward(cache, dW)
        return _placed(namespace(dW), self.inner.backward(cache, host(dW)))

    def settle(self, theta: Params, buffers: Buffers) -> Buffers:
        """The new buffers; theta may change in place."""
        xp = _library(theta)
        if xp is np or getattr(type(self.inner), "settle", None) is Plain.settle:
            return self.inner.settle(theta, buffers)
        before = _fetched(theta)
        after = {name: value.copy() for name, value in before.items()}
        kept = _fetched(buffers)
        found = self.inner.settle(after, kept)
        for name, value in after.items():
            if not np.array_equal(value, before[name]):
                theta[name][...] = xp.asarray(value)
        moved = {name: value for name, value in found.items() if value is not kept.get(name)}
        return {name: buffers[name] for name in found if name not in moved} | _placed(xp, moved)

    def penalty(self, theta: Params) -> tuple[float, Params]:
        """A term of the loss and its gradient."""
        if getattr(type(self.inner), "penalty", None) is Plain.penalty:
            return 0.0, {}
        value, slopes = self.inner.penalty(_fetched(theta))
        return value, _placed(_library(theta), slopes)


def _library(named: Params) -> Any:
    return namespace(next(iter(named.values())))


def _fetched(named: Params) -> Params:
    return {name: host(value) for name, value in named.items()}


def _placed(xp: Any, named: Params) -> Params:
    return {name: xp.asarray(value) for name, value in named.items()}
