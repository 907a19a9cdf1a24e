"""Networks of recurrent layers, one above the other: x_t of a layer is dropout(h_t) of the one below.

Parameter names layers.<i>.<name within the cell>, readout.{W, bias}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from npr import initializers
from npr.cells import gradients
from npr.cells.base import Cell
from npr.cells.bidirectional import BidirectionalCell
from npr.cells.dense import DenseCell
from npr.cells.gradients import Given
from npr.context import GradSignal, Pass, Signal
from npr.errors import ConfigError
from npr.fields import one_of, whole, within
from npr.layers.dropout import draw_mask
from npr.layers.fold import gate
from npr.networks.base import Cache, Layers, Network
from npr.parametrizations.base import Parametrization
from npr.params import Array, Buffers, Params, by_layer, prefixed

ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity", "modrelu", "complex-modrelu")


@dataclass(frozen=True)
class RecurrentNetwork(Network):
    """Options that all such networks share, and their passes; SymbolOptions has those for texts.

    Parameters
    ----------
    input_size, output_size : int
        Features per step, and outputs of the readout.
    layers, hidden_size : int
        Recurrent layers, and units of each.
    readout : {"last", "every"}
        Whether the outputs are read after the last step or at every step.
    dropout : float
        Share of units dropped after each layer, one mask per sequence.
    bidirectional : bool
        Whether each layer has a second cell that reads the sequence from its end; see `BidirectionalCell`.
    w_init, readout_init : str
        Initial weights, by a name of `npr.initializers.WEIGHTS`.
    bias_init : str
        Initial biases, by a name of `npr.initializers.BIASES`.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    input_size: int
    output_size: int
    layers: int = 1
    hidden_size: int = 128
    readout: str = "last"
    dropout: float = 0.0
    w_init: str = "glorot-normal"
    readout_init: str = "glorot-normal"
    bias_init: str = "fan-in"
    bidirectional: bool = False

    def __post_init__(self) -> None:
        whole("[1, 1e9]", input_size=self.input_size, output_size=self.output_size, hidden_size=self.hidden_size)
        whole("[1, 1000]", layers=self.layers)
        one_of(("last", "every"), readout=self.readout)
        one_of(tuple(initializers.WEIGHTS), w_init=self.w_init, readout_init=self.readout_init)
        one_of(tuple(initializers.BIASES), bias_init=self.bias_init)
        within("[0, 1)", dropout=self.dropout)
        self.check_symbols((self.input_size, self.output_size), self.readout_size())

    def cell(self, input_size: int) -> Cell:
        """The cell of a layer that reads `input_size` features."""
        raise NotImplementedError

    @cached_property
    def _cells(self) -> list[Cell]:
        sizes = [self.features, *[self.readout_size()] * (self.layers - 1)]
        return [self._directed(size, self, i == self.layers - 1) for i, size in enumerate(sizes)]

    def _directed(self, input_size: int, model: RecurrentNetwork, top: bool) -> Cell:
        """A cell of `model`, or two of them for the two directions."""
        if not self.bidirectional:
            return model.cell(input_size)
        cells = model.cell(input_size), model.cell(input_size)
        return BidirectionalCell(*cells, input_size, model.hidden_size, not top or self.readout == "every")

    def state_sizes(self) -> list[int]:
        """Scalars of the state of every layer."""
        return [cell.state_size for cell in self._cells]

    def readout_size(self) -> int:
        """Outputs of a layer."""
        return 2 * self.hidden_size if self.bidirectional else self.hidden_size

    def check_recomputed(self, steps: int) -> None:
        """Raise ConfigError with cells that read from the end: their states are not known stretch by stretch."""
        if self.bidirectional:
            raise ConfigError(
                f"bptt_checkpoint = {steps}: with bidirectional = true every step depends on the last one, and there "
                "are no stretches to begin with. Set one of them to 0 or false."
            )

    def decays(self, name: str) -> bool:
        """Whether weight decay may act on the parameter."""
        return self._cells[0].decays(_inside(name)) if _inside(name) else super().decays(name)

    def orthogonal(self, name: str) -> bool:
        """Whether the parameter stands behind an orthogonal matrix."""
        return bool(_inside(name)) and self._cells[0].orthogonal(_inside(name))

    def penalty(self, params: Params) -> tuple[float, Params]:
        """Sum of the layers' penalties."""
        total = 0.0
        slopes: Params = {}
        for i, own in by_layer(params).items():
            value, found = self._cells[i].penalty(own)
            total += value
            slopes |= prefixed(f"layers.{i}.", found)
        return total, slopes

    def project(self, params: Params, buffers: Buffers) -> Buffers:
        """Let the cells settle after an update: a base point may move."""
        own, new = by_layer(params), dict(buffers)
        for i, kept in by_layer(buffers).items():
            new |= prefixed(f"layers.{i}.", self._cells[i].settle(own[i], kept))
        return new

    def _init_layers(self, rng: np.random.Generator) -> tuple[dict, Buffers]:
        params: Params = {}
        buffers: Buffers = {}
        for i, cell in enumerate(self._cells):
            new_params, new_buffers = cell.init(rng)
            params |= prefixed(f"layers.{i}.", new_params)
            buffers |= prefixed(f"layers.{i}.", new_buffers)
        return params, buffers

    def _forward_layers(self, run: Pass, params: Params, buffers: Buffers, x: Signal, starts: list) -> Layers:
        caches, units = [], self.readout_size()
        own, statistics = by_layer(params), by_layer(buffers)
        for i, cell in enumerate(self._cells):
            place = run.within(f"layers.{i}.")
            cache = cell.forward(place, own[i], statistics.get(i, {}), x, starts[i])
            x = Signal(cache.h, units, mask=draw_mask(place, self.dropout, units))
            caches.append((cache, x))
        return Layers(
            x,
            [cell.states(cache) for cell, (cache, _) in zip(self._cells, caches, strict=True)],
            buffers,
            caches,
        )

    def _backward_layers(
        self, run: Pass, params: Params, cache: Cache, dy: GradSignal, carries: list, gx: Array | None
    ) -> dict[str, Array]:
        named: dict[str, Array] = {}
        for i, cell in reversed(list(enumerate(self._cells))):
            inner, out = cache.layers[i]
            # In place: a tile of the gradient is read before the one below it is written over it.
            target = dy.raw if i else gx
            place = run.within(f"layers.{i}.")
            grads, dy = gradients.backward(cell, place, inner, Given(dy, gate(out), carries[i], target))
            named |= prefixed(f"layers.{i}.", grads)
        return named


def _inside(name: str) -> str:
    """Name of a parameter within its layer; empty for those of the readout."""
    return name.split(".", 2)[2] if name.startswith("layers.") else ""


@dataclass(frozen=True)
class DenseNetwork(RecurrentNetwork):
    """h_t = f(x_t W_in + bias + h_{t-1} W_rec); where W_rec comes from is the models' whole difference.

    Parameters
    ----------
    activation : {"tanh", "relu", "sigmoid", "identity", "modrelu", "complex-modrelu"}
        The last takes units j and hidden_size/2 + j as the parts of a complex number.
    rec_bias : bool
        Whether the pre-activation has a bias.
    modrelu_init : float
        Initial modReLU biases are U(-modrelu_init, modrelu_init).

    Parameter names within a layer: W_in, bias, modrelu, recurrent.<name>.
    """

    activation: str = "tanh"
    rec_bias: bool = True
    modrelu_init: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(ACTIVATIONS, activation=self.activation)
        if self.activation == "complex-modrelu" and self.hidden_size % 2:
            raise ConfigError(f"hidden_size = {self.hidden_size} is not valid; complex-modrelu pairs units: even.")
        within("[0, 1e9]", modrelu_init=self.modrelu_init)
        _ = self._cells

    def parametrization(self) -> Parametrization:
        """Where W_rec of every layer comes from."""
        raise NotImplementedError

    def cell(self, input_size: int) -> DenseCell:
        """A dense cell."""
        choices = (self.activation, self.parametrization(), self.w_init, self.bias_init)
        return DenseCell(input_size, self.hidden_size, *choices, self.rec_bias, self.modrelu_init)
