"""LSTM and GRU networks."""

from __future__ import annotations

from dataclasses import dataclass

from npr.cells.gru import GRUCell
from npr.cells.lstm import LSTMCell
from npr.fields import one_of, within
from npr.networks.recurrent import RecurrentNetwork
from npr.parametrizations.matrix_init import MATRICES
from npr.registry import models


@dataclass(frozen=True)
class GatedNetwork(RecurrentNetwork):
    """What both share; the initial values are those of torch: U(-1/sqrt(N), 1/sqrt(N)) for all of them.

    Parameters
    ----------
    recurrent_init : str
        Initial W_rec of every gate, by a name of `npr.parametrizations.matrix_init.MATRICES`.
    joint_init : bool
        Draw W_in and W_rec of a gate as one matrix (D + N, N) by w_init, the bias for as many inputs: nnRNN_release.
    """

    w_init: str = "fan-out"
    bias_init: str = "fan-out"
    readout_init: str = "fan-in"
    recurrent_init: str = "fan-in"
    joint_init: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(sorted(MATRICES), recurrent_init=self.recurrent_init)

    def readout_bias_init(self) -> str:
        """bias_init, but where that counts units: a torch.nn.Linear counts its inputs."""
        return "fan-in" if self.bias_init == "fan-out" else self.bias_init


@models.register("lstm")
@dataclass(frozen=True)
class LSTM(GatedNetwork):
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t), with i, f, o = sigmoid(a), g = tanh(a), a = x W_in + b + h W_rec.

    Parameters
    ----------
    forget_bias : float
        Initial bias of the forget gate, the first if there are two; 0 leaves it as `bias_init` drew it.
    two_biases : bool
        Two bias vectors for each gate, as in cuDNN, chainer and char-rnn.
    peephole : bool
        The output gate also sees c_t through a full matrix.

    Source: Hochreiter and Schmidhuber 1997; arXiv 1905.12080, baseline; karpathy/char-rnn.
    """

    forget_bias: float = 0.0
    two_biases: bool = False
    peephole: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        within("[-1e9, 1e9]", forget_bias=self.forget_bias)

    def cell(self, input_size: int) -> LSTMCell:
        """An LSTM cell."""
        starts = (self.w_init, self.recurrent_init, self.bias_init, self.joint_init)
        return LSTMCell(input_size, self.hidden_size, *starts, self.forget_bias, self.two_biases, self.peephole)


@models.register("gru")
@dataclass(frozen=True)
class GRU(GatedNetwork):
    """h_t = (1 - z) * n + z * h_{t-1}, n = tanh(x_t W_in + b + r * (h_{t-1} W_rec + b_rec)), r, z = sigmoid(.).

    Parameters
    ----------
    reset : {"after", "before"}
        Whether r scales the product of h_{t-1} with W_rec (cuDNN, torch) or h_{t-1} itself (char-rnn).
    update : {"old", "new"}
        Whether z weighs the old state (cuDNN, torch) or the new one (char-rnn).

    Source: arXiv 1406.1078; torch.nn.GRU; karpathy/char-rnn.
    """

    reset: str = "after"
    update: str = "old"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(("after", "before"), reset=self.reset)
        one_of(("old", "new"), update=self.update)

    def cell(self, input_size: int) -> GRUCell:
        """A GRU cell."""
        starts = (self.w_init, self.recurrent_init, self.bias_init, self.joint_init)
        return GRUCell(input_size, self.hidden_size, *starts, self.reset, self.update)
