"""The symbols of a text: how content becomes symbols, and symbols numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npr.errors import DataError
from npr.params import Array

KINDS = ("characters", "bytes")
ORDERS = ("sorted", "appearance")


class UnknownSymbols(ValueError):
    """A text holds symbols that the vocabulary lacks.

    Attributes
    ----------
    symbols : str
        Each of them once, in order of appearance.
    """

    def __init__(self, symbols: str) -> None:
        super().__init__(f"the vocabulary lacks {', '.join(map(repr, symbols))}")
        self.symbols = symbols


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a text consists of; symbol k stands for `symbols[k]`.

    Parameters
    ----------
    kind : {"characters", "bytes"}
        What one symbol is.
    symbols : str
        Characters in the order of their numbers; a byte stands here as the character of the same code.
    """

    kind: str
    symbols: str

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def of(cls, texts: Sequence[Array], kind: str, order: str) -> Vocabulary:
        """Vocabulary of all codes in `texts`, sorted or in the order of first appearance."""
        codes, first = np.unique(np.concatenate(texts), return_index=True)
        return cls(kind, "".join(map(chr, codes if order == "sorted" else codes[np.argsort(first)])))

    def numbers(self, codes: Array) -> Array:
        """Numbers of known codes (N,), in the smallest unsigned type."""
        table = np.zeros(max(map(ord, self.symbols)) + 1, np.min_scalar_type(len(self) - 1))
        table[[ord(symbol) for symbol in self.symbols]] = np.arange(len(self))
        return table[codes]

    def encode(self, text: str) -> list[int]:
        """Numbers of the symbols of `text`, of its UTF-8 bytes where symbols are bytes.

        Raises
        ------
        UnknownSymbols
            If one is not in the vocabulary.
        """
        lacking = dict.fromkeys(symbol for symbol in self._symbols_of(text) if symbol not in self.symbols)
        if lacking:
            raise UnknownSymbols("".join(lacking))
        return self.encode_known(text)

    def encode_known(self, text: str) -> list[int]:
        """`encode` without the symbols that are not in the vocabulary."""
        return [self.symbols.index(symbol) for symbol in self._symbols_of(text) if symbol in self.symbols]

    def _symbols_of(self, text: str) -> str:
        """Characters, or the characters that stand for the bytes; a shell's stray bytes come as surrogates."""
        return text if self.kind == "characters" else text.encode("utf-8", "surrogateescape").decode("latin-1")

    def decode(self, numbers: Iterable[int]) -> bytes:
        """The text that `numbers` stand for, in UTF-8."""
        text = "".join(self.symbols[number] for number in numbers)
        return text.encode("utf-8" if self.kind == "characters" else "latin-1")

    def table(self) -> dict[str, Any]:
        """As TOML and JSON can hold it; `Vocabulary(**table)` is the way back."""
        return {"kind": self.kind, "symbols": self.symbols}


def codes(content: bytes | bytearray, kind: str, where: str) -> Array:
    """Unicode code points or bytes of a file's content, (N,) unsigned.

    Raises
    ------
    DataError
        Naming `where`, if characters are wanted and the content is no UTF-8.
    """
    if kind == "bytes":
        return np.frombuffer(bytes(content), np.uint8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{where}: expected UTF-8 text, found byte 0x{content[error.start]:02x} at position {error.start} "
            f"(line {line}). Set symbols = bytes to read it byte by byte."
        ) from error
    return np.frombuffer(text.encode("utf-32-le"), np.dtype("<u4"))


def words(content: bytes | bytearray) -> bytes:
    """Every word followed by one blank, every line by one newline: blank and newline are "_" and "<eos>" of the
    character-level Penn Treebank.

    Source: the published counts, 5.06, 0.396 and 0.446 million symbols, hold with a blank after the last word of a
    line and with no other placing.
    """
    lines = (b"".join(word + b" " for word in line.split()) for line in bytes(content).splitlines())
    return b"".join(line + b"\n" for line in lines)
