"""Symbols of a text: what counts as one, in which order they are numbered, what cannot be read."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
import tomli_w

from npr.errors import DataError
from npr.tasks.vocabulary import UnknownSymbols, Vocabulary, codes, words

TEXT = "héllo wörld\n"


def vocabulary(*texts: str, kind: str = "characters", order: str = "sorted") -> Vocabulary:
    return Vocabulary.of([codes(text.encode(), kind, "x") for text in texts], kind, order)


@pytest.mark.parametrize(
    ("kind", "order", "symbols"),
    [
        ("characters", "sorted", "\n dhlorwéö"),
        ("characters", "appearance", "hélo wörd\n"),
        ("bytes", "sorted", "\n dhlorw¶Ã©"),
        ("bytes", "appearance", "hÃ©lo w¶rd\n"),
    ],
)
def test_symbols_in_order(kind: str, order: str, symbols: str) -> None:
    found = vocabulary(TEXT, kind=kind, order=order)
    assert sorted(found.symbols) == sorted(symbols)
    if order == "appearance":
        assert found.symbols == symbols
    else:
        assert list(found.symbols) == sorted(found.symbols)


def test_appearance_runs_over_all_texts_in_turn() -> None:
    assert vocabulary("ba", "cab", "dx", order="appearance").symbols == "bacdx"


@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("order", ["sorted", "appearance"])
def test_numbers_stand_for_the_text(kind: str, order: str) -> None:
    found = vocabulary(TEXT, kind=kind, order=order)
    numbers = found.numbers(codes(TEXT.encode(), kind, "x"))
    assert numbers.dtype == np.uint8
    assert found.decode(numbers.tolist()) == TEXT.encode()
    assert found.encode(TEXT) == numbers.tolist()


def test_many_symbols_take_wider_numbers() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    found = vocabulary(text)
    assert found.numbers(codes(text.encode(), "characters", "x")).tolist() == list(range(300))


def test_unknown_symbols_are_listed_once() -> None:
    found = vocabulary("abc")
    with pytest.raises(UnknownSymbols, match="'z', 'é'") as caught:
        found.encode("azéz")
    assert caught.value.symbols == "zé"
    assert found.encode_known("azéb") == [0, 1]


def test_stray_bytes_of_a_shell_are_bytes() -> None:
    found = Vocabulary("bytes", "aÿ")
    assert found.encode(b"a\xff".decode("utf-8", "surrogateescape")) == [0, 1]


def test_bytes_that_are_no_text_say_where_and_what_to_do() -> None:
    with pytest.raises(DataError, match=r"book: .*byte 0xff at position 5 \(line 2\).*symbols = bytes"):
        codes(b"one\nt\xff", "characters", "book")
    assert codes(b"\xff", "bytes", "book").tolist() == [255]


def test_words_have_a_blank_after_each_and_a_newline_at_the_end_of_a_line() -> None:
    assert words(b" no it  was\n\nn't \r\nend") == b"no it was \n\nn't \nend \n"
    assert words("é\u00a0x\n".encode()) == "é\u00a0x \n".encode()


@pytest.mark.parametrize("symbols", ["\x00\t\r\n\"\\'", "".join(map(chr, range(256))), "日本\U0001f600"])
def test_a_vocabulary_survives_a_configuration_file(symbols: str) -> None:
    found = Vocabulary("characters", symbols)
    stored = tomllib.loads(tomli_w.dumps({"vocabulary": found.table()}))
    assert Vocabulary(**stored["vocabulary"]) == found
