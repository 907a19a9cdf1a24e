"""One full update on the copy task as plain arrays: the same sequences, parameters and rates for every library.

Float32 is sensitive here: modReLU with a positive bias b jumps by 2b where the pre-activation changes sign, and
rounding moves a few of some 3e5 pre-activations across. Over ten seeds single entries of a gradient changed by up to
1.1e-2 of its largest in npr, with the parametrisation in float32, and by 4.7e-2 in PyTorch, whose exponential is
further off; without a crossing both stay within 1e-4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from npr.bench import problem
from npr.bench.problem import CHANGE, Array, Arrays, Problem

COPIED = 10  # symbols at the start, and steps of recall at the end
SYMBOLS = 8
ALPHA = 0.99  # of RMSprop
REC = "layers.0.recurrent."
# Stored as vectors of the entries above the diagonal, row by row.
PACKED = (f"{REC}skew", f"{REC}log_P", f"{REC}T")


class Settings(NamedTuple):
    """Rates as in nnRNN/nnRNN_release, and what nnRNN adds to the loss and as the decay of T."""

    lr: float
    lr_orth: float
    gamma_penalty: float = 0.0
    t_decay: float = 0.0


SETTINGS = {
    "rnn-orth": Settings(1e-4, 1e-4),
    "exprnn": Settings(1e-3, 1e-4),
    "nnrnn": Settings(5e-4, 1e-6, 1e-4, 1e-6),
}


@dataclass(frozen=True, kw_only=True)
class Case(problem.Case):
    """One update of `model`; one-hot input, a class at every step.

    precision : of npr's parametrisation when float32 is timed; a float64 step has it in float64
    """

    model: str
    precision: str = "float64"
    input_size: int = SYMBOLS + 2
    classes: int = SYMBOLS + 1

    tolerances: ClassVar[dict[str, float]] = {
        **problem.Case.tolerances,
        "float32, modrelu": 5e-2,
        "float32, modrelu, torch": 2e-1,
    }
    peers = ("torch", "torch.compile")
    cuda_peers = ("torch", "torch-graph")
    splits = False

    @property
    def sensitivity(self) -> str:
        """The activation."""
        return "modrelu"

    @property
    def products(self) -> int:
        """Of the cell alone: one with the recurrent and one with the input weights."""
        return 2 * self.seq_len * self.batch_size * self.hidden_size * (self.hidden_size + self.input_size)

    def tiny(self) -> Case:
        """The same case at a size that runs in milliseconds and has no goals."""
        return self.freed(seq_len=33, batch_size=7, hidden_size=18)


def draw(case: Case, seed: int, dtype: DTypeLike = np.float32) -> Problem:
    """One batch of the task and parameters as some hundred updates leave them.

    That is the published initial values, and small numbers where these have zeros: no matrix is block diagonal, so
    that a wrong gradient has nowhere to hide and nobody's exponential has an easy case.
    """
    rng = np.random.default_rng(seed)
    n = case.hidden_size
    skew = draw_skew(n, rng, 0.02)
    bound = case.input_size**-0.5
    params: Arrays = {
        "layers.0.W_in": rng.normal(0.0, np.sqrt(2 / (case.input_size + n)), (case.input_size, n)),
        "layers.0.modrelu": rng.uniform(-0.01, 0.01, n),
        "readout.W": rng.normal(0.0, np.sqrt(2 / (n + case.classes)), (n, case.classes)),
        "readout.bias": rng.uniform(-bound, bound, case.classes),
    }
    params |= {f"{REC}skew": skew} if case.model == "exprnn" else schur(skew, n, rng, 0.01)
    shown, target = sequences(case, rng.integers(1, SYMBOLS + 1, (COPIED, case.batch_size)))
    return problem.rounded(case, params, np.eye(case.input_size)[shown], target, dtype)


def draw_skew(n: int, rng: np.random.Generator, spread: float) -> Array:
    """What stands above the diagonal of A: angles of rotations of pairs, and normal numbers everywhere."""
    blocks = np.zeros((n, n))
    even = np.arange(0, n - 1, 2)
    blocks[even, even + 1] = rng.uniform(-np.pi, np.pi, len(even))
    return blocks[np.triu_indices(n, 1)] + rng.normal(0.0, spread, n * (n - 1) // 2)


def schur(skew: Array, n: int, rng: np.random.Generator, spread: float) -> Arrays:
    """A Schur form with log_P = `skew`, T normal, and gamma next to 1."""
    return {
        f"{REC}log_P": skew,
        f"{REC}T": rng.normal(0.0, spread, skew.size),
        f"{REC}gamma": rng.uniform(0.998, 1.002, n // 2),
        f"{REC}angle": rng.uniform(0.0, 6.28, n // 2),
    }


def sequences(case: Case, symbols: Array) -> tuple[Array, Array]:
    """Input symbols and target (T, B): the symbols, blanks, a marker, and the time to say the symbols again."""
    shown, target = np.zeros((2, case.seq_len, case.batch_size), np.int64)
    shown[:COPIED] = target[-COPIED:] = symbols
    shown[-COPIED - 1] = SYMBOLS + 1
    return shown, target


def named(given: Problem, loss: Array, output: Array, grads: Arrays, params: Arrays) -> Arrays:
    """Results of a first update under the names that are compared; its changes in float64 only."""
    found = {"loss": np.asarray(loss), "output": output, **grads}
    if given.x.dtype == np.float64:
        found |= {f"{CHANGE}{name}": value - given.params[name] for name, value in params.items()}
    return found
