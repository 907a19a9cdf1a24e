"""The options that all IndRNN networks share, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from npr import initializers
from npr.cells.indrnn import Bound, IndRNN
from npr.errors import ConfigError
from npr.fields import one_of, whole, within
from npr.layers.norm import Norm
from npr.networks.base import Network
from npr.networks.unit import Unit
from npr.params import Array, Buffers, Params, prefixed

ACTIVATIONS = ("relu", "tanh", "identity")


@dataclass(frozen=True)
class IndRNNOptions(Network):
    """Options of an IndRNN network; SymbolOptions has those for texts.

    Parameters
    ----------
    input_size, output_size : int
        Features per step, and outputs of the readout.
    seq_len : int
        Steps of a sequence as the bound on u counts them; 0 if there is no limit.
    activation : {"relu", "tanh", "identity"}
    readout : {"last", "every"}
        Whether the outputs are read after the last step or at every step.
    norm : {"time", "step", "none"}
        Batch norm over time and batch, over the batch step by step, or none.
    norm_position : {"after", "before"}
        After the recurrence, or between the input product and the recurrence.
    norm_steps : int
        Steps that have running statistics of their own with norm "step", 0 for seq_len; later steps use the last's.
        Texts have no seq_len: give that of their chunks.
    norm_momentum, norm_eps : float
        Weight of a new batch in the running statistics; the eps added to the variance.
    dropout : float
        Share of units dropped after each layer, one mask per sequence.
    u_init, last_u : str
        Initial u, by a name of `npr.initializers.RECURRENT`; last_u "as-others" makes the last layer no exception.
    w_init, readout_init : str
        Initial weights, by a name of `npr.initializers.WEIGHTS`.
    u_bound : {"project", "clip", "none"}
        How |u| <= u_max is kept: projection after each update, a clip in the graph, or not at all.
    mag : float
        u_max = mag^(1 / seq_len): the largest growth of a state over a whole sequence.
    u_max, u_min : float
        Explicit bounds on |u|, u_max = 0 for the one that follows from mag; u_min acts in "clip" mode only.
    step_clip : float
        Bound on |dL/da_t| at every step of the backward pass, 0 for none.

    Raises
    ------
    ConfigError
        If a value is outside its range.

    Source: arXiv 1803.04831 and 1910.06251.
    """

    input_size: int
    output_size: int
    seq_len: int = 0
    activation: str = "relu"
    readout: str = "last"
    norm: str = "time"
    norm_position: str = "after"
    norm_steps: int = 0
    norm_momentum: float = 0.1
    norm_eps: float = 1e-5
    dropout: float = 0.0
    u_init: str = "uniform"
    last_u: str = "long"
    w_init: str = "kaiming-uniform-8"
    readout_init: str = "kaiming-normal"
    u_bound: str = "project"
    mag: float = 2.0
    u_max: float = 0.0
    u_min: float = 0.0
    step_clip: float = 0.0

    def __post_init__(self) -> None:
        whole("[1, 1e9]", input_size=self.input_size, output_size=self.output_size)
        whole("[0, 1e9]", seq_len=self.seq_len)
        whole("[0, 1e6]", norm_steps=self.norm_steps)
        one_of(ACTIVATIONS, activation=self.activation)
        one_of(("last", "every"), readout=self.readout)
        one_of(("time", "step", "none"), norm=self.norm)
        one_of(("after", "before"), norm_position=self.norm_position)
        one_of(("project", "clip", "none"), u_bound=self.u_bound)
        one_of(tuple(initializers.RECURRENT), u_init=self.u_init)
        one_of((*initializers.RECURRENT, "as-others"), last_u=self.last_u)
        one_of(tuple(initializers.WEIGHTS), w_init=self.w_init, readout_init=self.readout_init)
        within("[0, 1)", dropout=self.dropout)
        within("[0, 1]", norm_momentum=self.norm_momentum)
        within("(0, 1]", norm_eps=self.norm_eps)
        within("[1, 1e9]", mag=self.mag)
        within("[0, 1e9]", u_max=self.u_max, step_clip=self.step_clip)
        within(f"[0, {self.bound:.9g}]", u_min=self.u_min)

    @property
    def bound(self) -> float:
        """Largest |u|: u_max, or what follows from mag and seq_len; 1 where the sequence has no end."""
        if self.u_max:
            return self.u_max
        if not self.seq_len:
            return 1.0
        # tanh shrinks a signal by about 0.9 in ten steps, so its units may grow by as much more.
        shrink = 0.9 ** (self.seq_len / 10) if self.activation == "tanh" else 1.0
        return float(np.exp((np.log(self.mag) - np.log(shrink)) / self.seq_len))

    def unit(self, input_size: int, hidden_size: int, last: bool = False) -> Unit:
        """One recurrent layer; input_size 0 for a recurrence that is fed with pre-activations. With norm before the
        recurrence, `last` has another one after it, for a decoder that reads normalised values."""
        before = self.norm_position == "before"
        norm = None
        if self.norm != "none":
            norm = Norm(hidden_size, self.norm, self.norm_steps or self.seq_len, self.norm_momentum, self.norm_eps)
        bound = self.range_of_u()
        in_cell = 0 if before and norm is not None else input_size
        cell = IndRNN(in_cell, hidden_size, self.activation, bound, self.step_clip)
        return Unit(cell, norm, before, self.dropout, input_size, norm if before and last else None)

    def range_of_u(self) -> Bound:
        """Bounds of |u|, and whether the graph keeps them."""
        high = np.inf if self.u_bound == "none" else self.bound
        return Bound(self.u_min, float(high), self.u_bound == "clip")

    def init_unit(self, rng: np.random.Generator, unit: Unit, last: bool) -> tuple[dict, dict]:
        """Initial parameters and buffers of one layer, in float64."""
        n = unit.cell.hidden_size
        params: dict[str, Array] = {}
        if unit.input_size:
            params["W_in"] = initializers.weight(self.w_init, rng, (unit.input_size, n))
            params["bias"] = np.zeros(n)
        how = self.last_u if last and self.last_u != "as-others" else self.u_init
        params["u"] = initializers.recurrent(how, rng, n, self.bound)
        buffers: dict[str, Array] = {}
        for name, norm in (("norm.", unit.norm), ("second.", unit.second)):
            if norm is not None:
                norm_params, norm_buffers = norm.init()
                params |= prefixed(name, norm_params)
                buffers |= prefixed(name, norm_buffers)
        return params, buffers

    def project(self, params: Params, buffers: Buffers) -> Buffers:
        """u <- clip(u, -u_max, u_max) in place, where the bound is kept by projection; the buffers as they are."""
        if self.u_bound == "project":
            for name, value in params.items():
                if name.endswith(".u"):
                    np.clip(value, -self.bound, self.bound, out=value)
        return buffers

    def check_recomputed(self, steps: int) -> None:
        """Raise ConfigError with batch norm, whose statistics need all steps at once."""
        if self.norm != "none":
            raise ConfigError(
                f"bptt_checkpoint = {steps}: batch norm (norm = {self.norm!r}) takes its statistics from all steps of "
                "a batch at once. Set norm = 'none', or bptt_checkpoint = 0."
            )

    def widths(self) -> list[tuple[int, int]]:
        """(input size, units) of every recurrent layer, in the order of the state; input size 0 where fed."""
        raise NotImplementedError

    def state_sizes(self) -> list[int]:
        """Units of every recurrent layer."""
        return [n for _, n in self.widths()]
