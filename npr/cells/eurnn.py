"""The cell of EURNN: a unitary recurrence made of plane rotations. Source: arXiv 1612.05231; EUNN-tensorflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from npr import initializers
from npr.cells.gradients import at_the_end, following, widened
from npr.context import GradSignal, Pass, Signal
from npr.errors import ConfigError
from npr.layers.fold import gate
from npr.params import Array, Buffers, Params

# The originals draw angles from U(-3.14, 3.14).
_ANGLE = 3.14


class EURNNCache(NamedTuple):
    """Input, states (S, T+1, R, 2n), coefficients of the rotations, and the packed weight of one forward pass."""

    x: Signal
    U: Array  # (D, 2n)
    panels: Array
    rot: Any
    h: Array


@dataclass(frozen=True)
class EURNNCell:
    """h_t = f(x_t U + Rot(h_{t-1})) in C^n or R^n; the output is Re(h_t).

    The state is (B, 2n), [Re | Im], or (B, n) if real.

    Parameters of a layer: W_in (D, 2n), [Re | Im] of U, or (D, n) if real; modrelu (n,); theta and, if complex, phi,
    angles in radians: FFT style (k, n/2); tunable style theta_even (L/2, n/2) and theta_odd (L/2, n/2 - 1), phi alike;
    omega (n,) if complex.

    Parameters
    ----------
    input_size, hidden_size : int
        D and n.
    capacity : int
        L, layers of rotations in the tunable style: even, 2 to n; 0 for the FFT style with n = 2^k.
    real : bool
        Whether states are real.
    w_init : str
        Initial W_in, by a name of `npr.initializers.WEIGHTS`.
    """

    input_size: int
    hidden_size: int
    capacity: int
    real: bool
    w_init: str

    def __post_init__(self) -> None:
        n, L = self.hidden_size, self.capacity
        if L == 0 and (n < 2 or n & (n - 1)):
            raise ConfigError(f"hidden_size = {n} is not valid; the FFT style (capacity = 0) needs a power of two.")
        if L and (L % 2 or not 2 <= L <= n or n % 2):
            raise ConfigError(
                f"capacity = {L} is not valid; it and hidden_size = {n} must be even, 2 <= capacity <= n."
            )

    @property
    def state_size(self) -> int:
        """2n, or n if real."""
        return self.hidden_size if self.real else 2 * self.hidden_size

    def _shapes(self) -> dict[str, tuple[int, int]]:
        """Shapes of the angles, by the end of their names."""
        n, half = self.hidden_size, self.capacity // 2
        if not self.capacity:
            return {"": (n.bit_length() - 1, n // 2)}
        return {"_even": (half, n // 2), "_odd": (half, n // 2 - 1)}

    def init(self, rng: np.random.Generator) -> tuple[Params, Buffers]:
        """Angles U(-3.14, 3.14), the modReLU bias 0; no buffers."""
        n = self.hidden_size
        columns = n if self.real else 2 * n
        params: Params = {"W_in": initializers.weight(self.w_init, rng, (self.input_size, columns))}
        params["modrelu"] = np.zeros(n)
        for kind in ("theta",) if self.real else ("theta", "phi"):
            for end, shape in self._shapes().items():
                params[kind + end] = initializers.uniform(rng, shape, _ANGLE)
        if not self.real:
            params["omega"] = initializers.uniform(rng, (n,), _ANGLE)
        return params, {}

    def decays(self, name: str) -> bool:
        """W_in only: an angle has no natural zero."""
        return name == "W_in"

    def orthogonal(self, name: str) -> bool:
        """The angles."""
        return name.startswith(("theta", "phi", "omega"))

    def penalty(self, params: Params) -> tuple[float, Params]:
        """None."""
        return 0.0, {}

    def settle(self, params: Params, buffers: Buffers) -> Buffers:
        """Nothing moves."""
        return buffers

    def states(self, cache: EURNNCache) -> Array:
        """[Re | Im], or Re, of all steps."""
        return cache.h[..., : self.state_size]

    def forward(self, run: Pass, params: Params, buffers: Buffers, x: Signal, h0: Array) -> EURNNCache:
        """States of all steps."""
        backend = run.context.backend
        rot = self._rotations(run, params)
        U = params["W_in"]
        if self.real:
            U = np.concatenate([U, np.zeros_like(U)], axis=1)
        panels = backend.pack(U)
        h = run.buffer(2 * self.hidden_size)
        h[:, 0] = 0
        h[:, 0, :, : self.state_size] = h0
        backend.kernels.rotations.rotations_forward(x.raw, gate(x), panels, rot, h)
        if run.wants("h"):
            run.keep("h", h[..., : self.state_size])
        return EURNNCache(x, U, panels, rot, h)

    def backward(
        self, run: Pass, cache: EURNNCache, dy: GradSignal, mask: Array, carry: Array, gx: Array | None
    ) -> tuple[Params, GradSignal]:
        """Gradients of all parameters from dL/dRe(h) = mask * dy; see `npr.cells.base.Cell`."""
        S, n, dtype, backend = run.slicing.slices, self.hidden_size, run.dtype, run.context.backend
        layers, pairs = cache.rot.cos.shape
        shapes: dict[str, tuple[int, ...]] = {
            "W_in": (S, self.input_size, 2 * n),
            "theta": (S, layers, pairs),
            "phi": (S, layers, pairs),
        }
        shapes |= {"omega": (S, n), "modrelu": (S, n)}
        kernels = backend.kernels.rotations
        found = kernels.RotationGrads(*(run.sums(*item) for item in shapes.items()))
        target = run.xp.empty((0, 1, 1, 1), dtype) if gx is None else gx
        flow = run.xp.zeros((*carry.shape[:2], 2 * n), dtype)
        flow[..., : self.state_size] = carry
        kernels.rotations_backward(
            cache.x.raw, gate(cache.x), cache.panels, backend.pack(cache.U.T), cache.rot, cache.h,
            dy.raw, mask, dy.first, target, found, flow,
        )  # fmt: skip
        carry[...] = flow[..., : self.state_size]
        if not run.summed:
            return {}, GradSignal(target)
        total = [part.sum(0) for part in found]
        grads: Params = {"W_in": total[0][:, :n] if self.real else total[0], "modrelu": total[4]}
        for kind, table in zip(("theta",) if self.real else ("theta", "phi"), total[1:3], strict=False):
            grads |= self._parted(kind, table)
        if not self.real:
            grads["omega"] = total[3]
        return grads, GradSignal(target, 0, 0)

    def widened(self, run: Pass, cache: EURNNCache) -> tuple[EURNNCell, EURNNCache]:
        """See `npr.cells.base.Cell`."""
        x, U = widened(run, cache.x, cache.U)
        return replace(self, input_size=len(U)), cache._replace(x=x, U=U, panels=run.context.backend.pack(U))

    def keep_gradients(self, run: Pass, cache: EURNNCache, delta: Array, drive: Array, carry: Array) -> None:
        """dh_t = [drive_t | 0] + Rot^T(delta_{t+1}), of the state [Re | Im]."""
        dh = following(delta) @ written_out(run, cache).T
        dh[..., : self.hidden_size] += drive
        dh[..., : self.state_size] += at_the_end(run, carry)
        run.keep("delta", delta[..., : self.state_size])
        run.keep("dh", dh[..., : self.state_size])

    def _rotations(self, run: Pass, params: Params):
        xp = run.xp
        omega = params["omega"] if "omega" in params else xp.zeros(self.hidden_size)
        tables = [self._joined("theta", params, xp), self._joined("phi", params, xp), omega]
        turned = [
            xp.ascontiguousarray(f(table.astype(np.float64)), run.dtype) for table in tables for f in (np.cos, np.sin)
        ]
        cut = run.slicing
        return run.context.backend.kernels.rotations.Rotations(
            *turned, params["modrelu"], cut.lengths, cut.steps, not self.capacity, self.real
        )

    def _joined(self, kind: str, params: Params, xp: Any) -> Array:
        """Angles of all layers, (L, n/2), in the order in which they act; odd tunable layers leave one unused."""
        if not self.capacity:
            return params[kind] if kind in params else xp.zeros(self._shapes()[""])
        table = xp.zeros((self.capacity, self.hidden_size // 2))
        if kind + "_even" in params:
            table[0::2], table[1::2, :-1] = params[kind + "_even"], params[kind + "_odd"]
        return table

    def _parted(self, kind: str, table: Array) -> Params:
        """The inverse of `_joined`."""
        if not self.capacity:
            return {kind: table}
        return {kind + "_even": table[0::2], kind + "_odd": table[1::2, :-1]}


def written_out(run: Pass, cache: EURNNCache) -> Array:
    """The matrix (2n, 2n) with Rot(h) = h W for rows [Re | Im]."""
    W = run.xp.empty((cache.h.shape[3],) * 2, run.dtype)
    run.context.backend.kernels.rotations.rotations_matrix(cache.rot, W)
    return W
