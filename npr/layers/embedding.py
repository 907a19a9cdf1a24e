"""Symbols as vectors: rows of a trained matrix, or one entry of 1 among zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from npr import initializers
from npr.context import Pass, Signal
from npr.errors import ConfigError
from npr.fields import one_of, whole, within
from npr.layers.dropout import draw_factors
from npr.params import Array, Params


class EmbeddingCache(NamedTuple):
    """Symbols (S, T, R), and the factor (V, 1) of every row where rows are dropped."""

    symbols: Array
    mask: Array | None


@dataclass(frozen=True)
class Embedding:
    """value_t = mask_v W_v for the symbol v of step t, W (V, E); E = 0: the unit vector of v, of V entries.

    The mask drops a symbol wherever it occurs in a batch.

    Parameters
    ----------
    size, width : int
        V symbols, and E.
    dropout : float
        Share of the rows that is dropped; the others are divided by 1 - dropout.

    Source: dropped rows arXiv 1512.05287 and 1708.02182.
    """

    size: int
    width: int
    dropout: float = 0.0

    def init(self, rng: np.random.Generator, how: str) -> Params:
        """Initial W in float64, by a name of `npr.initializers.WEIGHTS`; nothing for unit vectors."""
        return {"W": initializers.weight(how, rng, (self.size, self.width))} if self.width else {}

    def forward(self, run: Pass, params: Params, x: Array) -> tuple[EmbeddingCache, Signal]:
        """The vectors of symbols (T, B)."""
        cut = run.slicing
        symbols = run.xp.ascontiguousarray(cut.split(x[:, :, None])[:, 1:, :, 0])
        raw = run.xp.zeros((cut.slices, cut.times + 1, cut.rows, self.width or self.size), run.dtype)
        mask = None
        if self.width:
            mask = run.once("mask", lambda: draw_factors(run, self.dropout, (self.size, 1)))
            raw[:, 1:] = (params["W"] if mask is None else mask * params["W"]).take(symbols, axis=0)
        else:
            np.put_along_axis(raw[:, 1:], symbols[..., None], 1, axis=-1)
        # Rows that only fill the last slice stay zero, as they are for numbers.
        raw.swapaxes(1, 2)[cut.lengths == 0] = 0
        return EmbeddingCache(symbols, mask), Signal(raw, self.width or self.size)

    def backward(self, run: Pass, cache: EmbeddingCache, gx: Array) -> Params:
        """Gradient of W from dL/dvalue = gx (S, T+1, R, E)."""
        out = run.sums("W", (self.size, self.width), np.float64)
        run.context.backend.kernels.embedding.scatter_add(cache.symbols, run.slicing.lengths, gx, out)
        return {"W": out if cache.mask is None else cache.mask * out}


@dataclass(frozen=True, kw_only=True)
class SymbolOptions:
    """Options of a network for inputs that are symbols (T, B) instead of numbers (T, B, F).

    Parameters
    ----------
    embedding_size : int
        Entries of the vector that stands for a symbol; 0 for unit vectors, one entry per symbol.
    embedding_init : str
        Initial vectors, by a name of `npr.initializers.WEIGHTS`.
    tied : bool
        Whether the readout's weight is the embedding's, transposed; needs embedding_size = units of the last layer.
    dropout_embedding : float
        Share of the symbols whose vectors are zero for a batch.
    """

    embedding_size: int = 0
    embedding_init: str = "uniform-0.1"
    tied: bool = False
    dropout_embedding: float = 0.0

    # Whether the network has a readout whose weight can be the embedding's.
    ties: ClassVar[bool] = True

    def check_symbols(self, sizes: tuple[int, int], units: int) -> None:
        """Raise ConfigError unless the options fit sizes = (symbols, outputs) and the last layer's units."""
        whole("[0, 1e9]", embedding_size=self.embedding_size)
        one_of(tuple(initializers.WEIGHTS), embedding_init=self.embedding_init)
        within("[0, 1)", dropout_embedding=self.dropout_embedding)
        if not self.embedding_size and (self.tied or self.dropout_embedding):
            key = "tied = true" if self.tied else f"dropout_embedding = {self.dropout_embedding}"
            raise ConfigError(f"{key} needs an embedding: set embedding_size.")
        if self.tied and not self.ties:
            raise ConfigError("tied = true: this network has no readout whose weight the embedding could be.")
        if self.tied and (self.embedding_size != units or sizes[0] != sizes[1]):
            raise ConfigError(
                f"tied = true with embedding_size = {self.embedding_size}: the last layer has {units} units, and "
                f"{sizes[1]} outputs stand for {sizes[0]} symbols. Each pair must be equal."
            )
