"""Optimisers: what a user sets is a frozen dataclass, what training changes is an OptState beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from npr.clipping import clip
from npr.errors import ConfigError
from npr.fields import one_of, within
from npr.params import Array, Params, flat_of
from npr.registry import optimizers
from npr.segments import Row, Segments, by_prefix, require_used, segments

Named = Callable[[str], bool]

# The denominators of the two forms of RMSprop are sqrt(sq) + eps and sqrt(sq + eps).
_RMSPROP_EPS = {"torch": 1e-8, "tf1": 1e-10}


class OptState(NamedTuple):
    """Everything an optimiser remembers between updates."""

    step: int  # updates made so far
    moments: dict[str, Array]  # flat, one entry for each scalar parameter, in the parameters' dtype

    def copy(self) -> OptState:
        """A state that later updates do not touch, to go back to."""
        return OptState(self.step, {name: moment.copy() for name, moment in self.moments.items()})


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What all optimisers share: weight decay, clipping, and rates by the name of the parameter.

    Coupled decay (L2) adds wd p to the gradient; decoupled decay (AdamW) subtracts lr wd p beside the step.

    Parameters
    ----------
    lr : float
        Learning rate, before the factor of the schedule.
    lr_orth : float
        Learning rate of the parameters behind orthogonal matrices; 0 for `lr`.
    weight_decay : float
        wd above.
    decay : {"coupled", "decoupled"}
        Which of the two.
    clip_norm : float
        Largest global L2 norm of the gradients, 0 for no limit.
    clip_value : float
        Largest absolute value of a gradient entry, 0 for no limit.
    lr_by_prefix : mapping of str to float
        Multiplier of `lr` for parameters whose name starts with the key, in which "*" stands for anything;
        the longest such key counts.
    decay_by_prefix : mapping of str to float
        Replaces `weight_decay` in the same manner.
    """

    lr: float = 1e-3
    lr_orth: float = 0.0
    weight_decay: float = 0.0
    decay: str = "coupled"
    clip_norm: float = 0.0
    clip_value: float = 0.0
    lr_by_prefix: Mapping[str, float] = field(default_factory=dict)
    decay_by_prefix: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        within("(0, inf)", lr=self.lr)
        within("[0, inf)", lr_orth=self.lr_orth, weight_decay=self.weight_decay)
        within("[0, inf)", clip_norm=self.clip_norm, clip_value=self.clip_value)
        one_of(("coupled", "decoupled"), decay=self.decay)
        for key, table in self._prefix_tables():
            within("[0, inf)", **{f"{key}[{prefix!r}]": value for prefix, value in table.items()})

    def init(self, params: Params, orthogonal: Named | None = None) -> OptState:
        """State before the first update; `orthogonal` as in `update`.

        Raises
        ------
        ConfigError
            If a prefix fits no parameter, or there is an lr_orth and no parameter for it.
        """
        if self.lr_orth and not (orthogonal and any(map(orthogonal, params))):
            raise ConfigError(f"lr_orth = {self.lr_orth:g}: the model has no orthogonal parameters; leave it out.")
        for key, table in self._prefix_tables():
            require_used(key, table, params)
        flat = flat_of(params)
        return OptState(0, {name: np.full_like(flat, value) for name, value in self._moments().items()})

    def clip(self, grads: Params) -> float:
        """Limit the gradients in place by clip_value and clip_norm; returns their norm before, see `npr.clipping`."""
        return clip(grads, self.clip_value, self.clip_norm)

    def update(
        self,
        params: Params,
        grads: Params,
        state: OptState,
        factor: float = 1.0,
        decays: Named | None = None,
        orthogonal: Named | None = None,
        trains: Named | None = None,
    ) -> OptState:
        """Change `params` and the moments in place by one step; does not clip.

        Parameters
        ----------
        params, grads : dict of Array
            Views of one flat buffer each, with the same keys in the same order.
        state : OptState
            From `init` or the previous update.
        factor : float
            Multiplier of the learning rate, from the schedule.
        decays : callable, optional
            Whether weight decay may touch the parameter of this name; None means every one.
        orthogonal : callable, optional
            Whether the parameter of this name learns with lr_orth; None means none does.
        trains : callable, optional
            Whether the parameter of this name is to be changed at all; None means every one is.

        Returns
        -------
        OptState
            The new state; it shares its moments with `state`.

        Raises
        ------
        ValueError
            If gradients or moments do not fit the parameters.
        """
        p, g = flat_of(params), flat_of(grads)
        if list(params) != list(grads) or p.size != g.size or p.dtype != g.dtype:
            raise ValueError("the gradients must have the names, order, sizes and dtype of the parameters")
        if dict.fromkeys(self._moments(), p.size) != {key: m.size for key, m in state.moments.items()}:
            raise ValueError("the optimiser state does not fit these parameters; make it with init")
        new = state._replace(step=state.step + 1)

        def row(name: str) -> Row:
            if trains is not None and not trains(name):
                return 0.0, 0.0, 0.0
            return self._row(name, factor, decays, orthogonal)

        self._apply(p, g, new, segments(params, row))
        return new

    def _row(self, name: str, factor: float, decays: Named | None, orthogonal: Named | None) -> Row:
        apart = self.lr_orth > 0 and orthogonal is not None and orthogonal(name)
        rate = (self.lr_orth if apart else self.lr) * factor * by_prefix(self.lr_by_prefix, name, 1.0)
        decay = by_prefix(self.decay_by_prefix, name, self.weight_decay)
        if decays is not None and not decays(name):
            decay = 0.0
        # As a term of its own: in float32 the usual factor 1 - lr wd rounds to 1 when lr wd < 6e-8.
        return (rate, decay, 0.0) if self.decay == "coupled" else (rate, 0.0, rate * decay)

    def _prefix_tables(self) -> tuple[tuple[str, Mapping[str, float]], ...]:
        return ("lr_by_prefix", self.lr_by_prefix), ("decay_by_prefix", self.decay_by_prefix)

    def _moments(self) -> dict[str, float]:
        """Names of the moments and the value each starts from."""
        raise NotImplementedError

    def _apply(self, p: Array, g: Array, state: OptState, where: Segments) -> None:
        """One step; state.step counts it already."""
        raise NotImplementedError


@optimizers.register("sgd")
@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum v + g; p -= lr v.

    Source: torch.optim.SGD without dampening; ResRNN (lr 1e4, momentum 0.9, clip_norm 1e-4).
    """

    lr: float = 1e-2
    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        within("[0, 1)", momentum=self.momentum)

    def _moments(self) -> dict[str, float]:
        return {"velocity": 0.0} if self.momentum else {}

    def _apply(self, p: Array, g: Array, state: OptState, where: Segments) -> None:
        from npr.kernels.update import kernels_for

        velocity = state.moments.get("velocity", p[:0])
        kernels_for(p).sgd(p, g, velocity, *where.scaled(1.0, p.dtype), np.array([self.momentum], p.dtype))


@optimizers.register("rmsprop")
@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient.

    torch form: sq = alpha sq + (1 - alpha) g^2 from 0; v = momentum v + g / (sqrt(sq) + eps); p -= lr v.
    tf1 form: sq as above but from 1; v = momentum v + lr g / sqrt(sq + eps); p -= v; small first steps.

    Parameters
    ----------
    alpha : float
        Share of the past in sq; 0.9 is TensorFlow's own default.
    rmsprop_form : {"torch", "tf1"}
        Which of the two; EUNN and scoRNN were trained with the second.
    eps : float
        0 stands for the default of the form, 1e-8 (torch) or 1e-10 (tf1).

    Source: torch.optim.RMSprop; tf.compat.v1.train.RMSPropOptimizer.
    """

    lr: float = 1e-3
    alpha: float = 0.99
    rmsprop_form: str = "torch"
    momentum: float = 0.0
    eps: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        within("[0, 1)", alpha=self.alpha, momentum=self.momentum)
        within("[0, inf)", eps=self.eps)
        one_of(_RMSPROP_EPS, rmsprop_form=self.rmsprop_form)

    def _moments(self) -> dict[str, float]:
        velocity = {"velocity": 0.0} if self.momentum else {}
        return {"square": 1.0 if self.rmsprop_form == "tf1" else 0.0} | velocity

    def _apply(self, p: Array, g: Array, state: OptState, where: Segments) -> None:
        from npr.kernels.update import kernels_for

        tf1 = self.rmsprop_form == "tf1"
        eps = self.eps or _RMSPROP_EPS[self.rmsprop_form]
        denominator = (eps, 0.0) if tf1 else (0.0, eps)
        shares = (self.alpha, 1 - self.alpha)
        coefficients = np.array([*shares, *denominator, self.momentum, tf1, not tf1], p.dtype)
        velocity = state.moments.get("velocity", p[:0])
        kernels_for(p).rmsprop(p, g, state.moments["square"], velocity, *where.scaled(1.0, p.dtype), coefficients)


@optimizers.register("adam")
@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr m' / (sqrt(v') + eps).

    m' = m / (1 - b1^t) and v' = v / (1 - b2^t). Lasagne and TF1 add eps to sqrt(v) instead of sqrt(v'), as if
    eps were larger by 1 / sqrt(1 - b2^t) (32 times at t = 1); it shows only where |g| is not far above eps.

    Source: arXiv 1412.6980, algorithm 1; torch.optim.Adam.
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        within("[0, 1)", beta1=self.beta1, beta2=self.beta2)
        within("(0, inf)", eps=self.eps)

    def _moments(self) -> dict[str, float]:
        return {"first": 0.0, "second": 0.0}

    def _apply(self, p: Array, g: Array, state: OptState, where: Segments) -> None:
        from npr.kernels.update import kernels_for

        correction = (1 - self.beta2**state.step) ** -0.5
        shares = (self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2)
        coefficients = np.array([*shares, correction, self.eps], p.dtype)
        where = where.scaled(1 / (1 - self.beta1**state.step), p.dtype)
        kernels_for(p).adam(p, g, state.moments["first"], state.moments["second"], *where, coefficients)
