"""EURNN: unitary recurrent layers made of plane rotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npr.cells.eurnn import EURNNCell
from npr.fields import one_of, whole
from npr.networks.recurrent import RecurrentNetwork
from npr.registry import models


@models.register("eurnn")
@dataclass(frozen=True)
class EURNN(RecurrentNetwork):
    """h_t = modReLU(x_t U + Rot(h_{t-1})), the output Re(h_t); see RecurrentNetwork for the rest.

    Parameters
    ----------
    rotations : {"tunable", "fft"}
        How pairs are chosen: neighbours, `capacity` layers of them; or as in the FFT, hidden_size a power of two.
    capacity : int
        Layers of rotations in the tunable style: even, 2 to hidden_size.
    field : {"complex", "real"}
        Of the states.

    Source: arXiv 1612.05231; jingli9111/EUNN-tensorflow, whose readout starts from U(-v, v) with
    v = sqrt(6 / (inputs + outputs)), the number of inputs in the place of the units: here it is Glorot uniform.
    """

    w_init: str = "uniform-0.01"
    readout_init: str = "glorot-uniform"
    bias_init: str = "zero"
    rotations: str = "tunable"
    capacity: int = 4
    field: str = "complex"

    unit_multiple: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(("tunable", "fft"), rotations=self.rotations)
        one_of(("complex", "real"), field=self.field)
        whole("[2, 1e9]", capacity=self.capacity)
        _ = self._cells

    def cell(self, input_size: int) -> EURNNCell:
        """A cell of rotations."""
        capacity = self.capacity if self.rotations == "tunable" else 0
        return EURNNCell(input_size, self.hidden_size, capacity, self.field == "real", self.w_init)
