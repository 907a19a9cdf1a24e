"""Recurrent networks whose W_rec is orthogonal, or orthogonal but for a part that is kept in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from npr.errors import ConfigError
from npr.fields import whole
from npr.networks.recurrent import DenseNetwork
from npr.parametrizations.orthogonal import Orthogonal
from npr.parametrizations.scaled_cayley import ScaledCayley
from npr.parametrizations.schur import Schur
from npr.registry import models


@models.register("exprnn")
@dataclass(frozen=True)
class ExpRNN(DenseNetwork):
    """W_rec = base exp(A), A skew-symmetric; see DenseNetwork for the rest.

    Parameters
    ----------
    skew_init : str
        Initial A, by a name of `npr.parametrizations.skew_init.SKEWS`.
    map : {"expm", "cayley"}
        exp(A), or (I - A/2)^{-1} (I + A/2).
    rebase_every : int
        0: base = I. K > 0: base = W_rec and A = 0 at the start and after every K updates. -1: at the start only.
    project_every : int
        At every so many rebases the base is replaced by the orthogonal matrix next to it; 0 for never.
    precision : {"float64", "float32"}
        Of the parametrisation.

    Source: arXiv 1901.08428; arXiv 1909.09501 for the base point (dtriv).
    """

    activation: str = "modrelu"
    rec_bias: bool = False
    skew_init: str = "henaff"
    map: str = "expm"
    rebase_every: int = 0
    project_every: int = 100
    precision: str = "float64"

    def parametrization(self) -> Orthogonal:
        """An orthogonal matrix around a base point."""
        return Orthogonal(
            self.hidden_size, self.skew_init, self.map, self.rebase_every, self.project_every, self.precision
        )


@models.register("scornn")
@dataclass(frozen=True)
class ScoRNN(DenseNetwork):
    """W_rec = (I + A)^{-1} (I - A) D with rho entries of -1 in D; see DenseNetwork for the rest.

    Parameters
    ----------
    rho : int
        0 to hidden_size; -1 stands for half of it, the authors' choice for copying and permuted pixels.
    skew_init : str
        Initial A, by a name of `npr.parametrizations.skew_init.SKEWS`.

    Source: arXiv 1707.09520; SpartinStuff/scoRNN for the initial values.
    """

    activation: str = "modrelu"
    rec_bias: bool = False
    w_init: str = "uniform-0.01"
    modrelu_init: float = 0.0
    rho: int = -1
    skew_init: str = "cayley"

    def __post_init__(self) -> None:
        whole("[-1, 1e9]", rho=self.rho)
        super().__post_init__()

    def parametrization(self) -> ScaledCayley:
        """A scaled Cayley transform."""
        return ScaledCayley(self.hidden_size, self.hidden_size // 2 if self.rho < 0 else self.rho, self.skew_init)


@models.register("nnrnn")
@dataclass(frozen=True)
class NnRNN(DenseNetwork):
    """W_rec = P (T + Lambda) P^T: a real Schur form, P orthogonal, T upper triangular, Lambda scaled rotations.

    Parameters
    ----------
    skew_init : str
        Initial log_P, by a name of `npr.parametrizations.skew_init.SKEWS`.
    schur_mask : {"code", "paper"}
        Whether T also covers the entries inside the 2 x 2 blocks of Lambda, as the released code has it.
    gamma_penalty : float
        Factor of sum (gamma - 1)^2, added to the loss and reported apart from it.
    precision : {"float64", "float32"}
        Of the parametrisation.

    Source: arXiv 1905.12080; nnRNN/nnRNN_release before 53eea4a, whose later initialisation is broken.
    """

    activation: str = "modrelu"
    rec_bias: bool = False
    skew_init: str = "cayley"
    schur_mask: str = "code"
    gamma_penalty: float = 1e-4
    precision: str = "float64"

    unit_multiple: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if self.hidden_size % self.unit_multiple:
            raise ConfigError(f"hidden_size = {self.hidden_size} is not valid; nnrnn rotates units in pairs: even.")
        super().__post_init__()

    def parametrization(self) -> Schur:
        """A real Schur form."""
        return Schur(self.hidden_size, self.skew_init, self.schur_mask, self.gamma_penalty, self.precision)
