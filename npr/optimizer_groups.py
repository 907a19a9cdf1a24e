"""Two optimisers over one set of parameters: one for those behind orthogonal matrices, one for the rest."""

from __future__ import annotations

from dataclasses import dataclass

from npr.errors import ConfigError
from npr.optimizers import Named, Optimizer, OptState
from npr.params import Params

_APART = "orthogonal/"


@dataclass(frozen=True)
class Grouped:
    """`main` for the parameters that are not orthogonal, `orth`, with its own rate, for those that are.

    Clipping is main's, over all gradients. Each keeps moments for the whole buffer, which costs memory and no more.

    Parameters
    ----------
    main, orth : Optimizer

    Source: SpartinStuff/scoRNN and Lezcano/expRNN train the skew matrix with RMSprop beside Adam.
    """

    main: Optimizer
    orth: Optimizer

    @property
    def lr(self) -> float:
        """Rate of the main optimiser, before the schedule."""
        return self.main.lr

    def init(self, params: Params, orthogonal: Named | None = None) -> OptState:
        """State before the first update.

        Raises
        ------
        ConfigError
            If no parameter is orthogonal, or a prefix fits none.
        """
        if not (orthogonal and any(map(orthogonal, params))):
            raise ConfigError("optimizer_orth: the model has no orthogonal parameters; leave it out.")
        main, orth = self.main.init(params), self.orth.init(params)
        return OptState(0, main.moments | {_APART + name: moment for name, moment in orth.moments.items()})

    def clip(self, grads: Params) -> float:
        """As `Optimizer.clip`."""
        return self.main.clip(grads)

    def update(
        self,
        params: Params,
        grads: Params,
        state: OptState,
        factor: float = 1.0,
        decays: Named | None = None,
        orthogonal: Named | None = None,
    ) -> OptState:
        """As `Optimizer.update`; each parameter is moved by one of the two."""

        def apart(name: str) -> bool:
            return orthogonal is not None and orthogonal(name)

        own = {name: moment for name, moment in state.moments.items() if not name.startswith(_APART)}
        others = {name.removeprefix(_APART): m for name, m in state.moments.items() if name.startswith(_APART)}
        self.main.update(params, grads, OptState(state.step, own), factor, decays, trains=lambda name: not apart(name))
        self.orth.update(params, grads, OptState(state.step, others), factor, decays, trains=apart)
        return state._replace(step=state.step + 1)
