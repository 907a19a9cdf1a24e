"""Recurrent networks whose W_rec is trained freely; they differ in its first value and in the activation."""

from __future__ import annotations

from dataclasses import dataclass

from npr.networks.recurrent import DenseNetwork
from npr.parametrizations.euclidean import Euclidean
from npr.registry import models


@models.register("rnn")
@dataclass(frozen=True)
class RNN(DenseNetwork):
    """h_t = f(x_t W_in + bias + h_{t-1} W_rec), W_rec Glorot normal; see DenseNetwork for the rest.

    Parameters
    ----------
    recurrent_init : str
        Initial W_rec, by a name of `npr.parametrizations.matrix_init.MATRICES`.

    Source: Elman 1990; arXiv 1905.12080, baseline "RNN", which has modReLU.
    """

    recurrent_init: str = "glorot-normal"

    def parametrization(self) -> Euclidean:
        """W_rec itself."""
        return Euclidean(self.hidden_size, self.recurrent_init)


@models.register("rnn-relu")
@dataclass(frozen=True)
class ReLURNN(RNN):
    """`rnn` with ReLU. Source: arXiv 1504.00941, baseline."""

    activation: str = "relu"


@models.register("rnn-orth")
@dataclass(frozen=True)
class OrthogonalStartRNN(RNN):
    """`rnn` that starts from an orthogonal W_rec and may leave it. Source: arXiv 1905.12080, baseline "RNN-orth"."""

    recurrent_init: str = "haar"


@models.register("irnn")
@dataclass(frozen=True)
class IRNN(RNN):
    """ReLU, W_rec = I, zero bias, all other weights N(0, 0.001^2). Source: arXiv 1504.00941, section 3."""

    activation: str = "relu"
    recurrent_init: str = "identity"
    w_init: str = "normal-0.001"
    readout_init: str = "normal-0.001"
    bias_init: str = "zero"
