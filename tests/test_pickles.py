"""The interpreter of pickles: plain data comes through, everything else is refused and nothing is run."""

from __future__ import annotations

import contextlib
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import weight_files as made
from hypothesis import given, settings
from hypothesis import strategies as st

from npr.interop.contents import ForeignError
from npr.interop.pickles import MAX_DEPTH, MAX_OPCODES, Maker, load

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**100), 2**100) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 99), inner, max_size=3)
    ),
    max_leaves=8,
)


def read(data: bytes) -> Any:
    return load(
        data, 0, {"collections.OrderedDict": Maker("OrderedDict", lambda _: {})}, lambda identity: identity
    ).value


@given(PLAIN)
def test_plain_data_comes_through(item: Any) -> None:
    assert read(made.stream(made.value(item))) == item


def test_shared_values_stay_one_value() -> None:
    found = read(made.stream(b"](" + b"]q\x00" + b"h\x00" + b"e"))
    assert found == [[], []]
    assert found[0] is found[1]


def test_several_pickles_follow_each_other() -> None:
    data = made.stream(made.value("first")) + made.stream(made.value((2,)))
    assert load(data, load(data, 0, {}, lambda _: None).end, {}, lambda _: None) == ((2,), len(data))


def test_protocol_4_with_frames_and_globals_on_the_stack() -> None:
    body = b"\x95" + bytes(8) + b"\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94"
    assert read(b"\x80\x04" + body + b".") == {}


HARM = {
    "os.system": made.call(("os", "system"), "touch payload"),
    "builtins.eval": made.call(("builtins", "eval"), "open('payload', 'w')"),
    "nested attribute": made.call(("collections", "OrderedDict.fromkeys"), [1]),
    "python 2 name": made.call(("__builtin__", "eval"), "1"),
    "on the stack": made.value("os") + made.value("system") + b"\x93" + made.value(("touch payload",)) + b"R",
    "instance": b"(" + made.value("touch payload") + b"ios\nsystem\n",
    "object": b"(" + made.named("os", "system") + made.value("touch payload") + b"o",
    "new object": made.named("os", "system") + made.value(("touch payload",)) + b"\x81",
    "new object with keywords": made.named("collections", "OrderedDict") + b")}\x92",
    "extension": b"\x82\x01",
    "text persistent id": b"Psomething\n",
}


@pytest.mark.parametrize("name", HARM)
def test_nothing_is_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ForeignError):
        read(made.stream(HARM[name]))
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("torch", "load"), ("collections", "OrderedDict.fromkeys")]
)
def test_the_refused_global_is_named_with_those_allowed(module: str, name: str) -> None:
    with pytest.raises(ForeignError, match=rf"'{module}\.{name}'.*allowed: collections\.OrderedDict"):
        read(made.stream(made.named(module, name)))


DAMAGE = {
    "nothing": b"",
    "no protocol": made.value(1) + b".",
    "protocol 0": b"I1\n.",
    "protocol 1": b"\x80\x01N.",
    "protocol 6": b"\x80\x06N.",
    "no end": b"\x80\x02N",
    "empty": b"\x80\x02.",
    "two values": made.stream(b"NN"),
    "mark left open": made.stream(b"(N"),
    "mark never set": made.stream(b"t"),
    "append to a tuple": made.stream(b")Na"),
    "append to nothing": made.stream(b"Na"),
    "items of a list": made.stream(b"](" + made.value("a") + b"Nu"),
    "items below a mark": made.stream(b"}(" + made.value("a") + b"Ns"),
    "key without value": made.stream(b"}(" + made.value("a") + b"u"),
    "key of a list": made.stream(b"}]Ns"),
    "key of a tuple": made.stream(b"})Ns"),
    "memo never set": made.stream(b"h\x07"),
    "call of text": made.stream(made.value("os") + b")R"),
    "call without a tuple": made.stream(made.named("collections", "OrderedDict") + b"]R"),
    "state of a list": made.stream(b"]}b"),
    "global that is no text": made.stream(b"NN\x93"),
    "integer of 2,000 bits": made.stream(b"\x8b" + (250).to_bytes(4, "little") + b"\x7f" * 250),
    "integer of 4 GiB": made.stream(b"\x8b\xff\xff\xff\x7f"),
    "text of 2^63 bytes": made.stream(b"\x8d" + b"\xff" * 7 + b"\x7f"),
    "invalid UTF-8": made.stream(b"X\x01\x00\x00\x00\xff"),
    "unknown opcode": made.stream(b"\xff"),
    "bytes": made.stream(b"C\x01a"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_streams_are_refused(name: str) -> None:
    with pytest.raises(ForeignError):
        read(DAMAGE[name])


CYCLES = {
    "list in itself": b"]q\x00h\x00a",
    "dict in itself": b"}q\x00" + made.value("a") + b"h\x00s",
    "list in a dict in the list": b"]q\x00}" + made.value("a") + b"h\x00sa",
    "tuple of a list that holds the tuple": b"]q\x00h\x00\x85a",
    "deep list": b"]" * (MAX_DEPTH + 1) + b"a" * MAX_DEPTH,
    "deep tuple": b")" + b"\x85" * 100_000,
}


@pytest.mark.parametrize("name", CYCLES)
def test_cycles_and_depth_are_refused(name: str) -> None:
    with pytest.raises(ForeignError, match="deep, or contains itself"):
        read(made.stream(CYCLES[name]))


def test_the_deepest_value_allowed() -> None:
    assert read(made.stream(b"]" * MAX_DEPTH + b"a" * (MAX_DEPTH - 1)))


@pytest.fixture
def measured() -> Iterator[dict[str, float]]:
    """Seconds and bytes that a test took."""
    limits: dict[str, float] = {}
    tracemalloc.start()
    begin = time.process_time()
    yield limits
    seconds, peak = time.process_time() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < limits["seconds"]
    assert peak < limits["bytes"]


def test_many_ways_to_one_value_cost_nothing(measured: dict[str, float]) -> None:
    # Each list holds the one before twice: 2^25 paths.
    measured |= {"seconds": 1, "bytes": 1 << 22}
    body = b"]" + b"".join(b"q\x01](h\x01h\x01e" for _ in range(25))
    with pytest.raises(ForeignError, match="more or less than one"):
        read(made.stream(body))
    shared = b"]q\x00" + b"".join(
        bytes([ord("("), ord("h"), i, ord("h"), i, ord("t"), ord("q"), i + 1]) for i in range(25)
    )
    assert read(made.stream(b"(" + shared + b"t"))


def test_opcodes_are_counted(measured: dict[str, float]) -> None:
    measured |= {"seconds": 10, "bytes": 1 << 26}
    with pytest.raises(ForeignError, match="more than 300,000 opcodes"):
        read(made.stream(b"](" + b"N" * MAX_OPCODES + b"e"))


@settings(max_examples=500)
@given(st.data())
def test_changed_streams_are_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(made.stream(made.value({"a": [1, 2.5, ("x", None)], "b": {3: made.call(made.ORDERED)}})))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(whole))


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    outcome(made.stream(data))


def outcome(data: bytes) -> None:
    """Anything but a value and ForeignError is a failure of the test."""
    with contextlib.suppress(ForeignError):
        read(data)
