"""The data in a pickle, without running anything: an interpreter of the opcodes that weight files use.

`pickletools.genops` only cuts the stream into opcodes. What they mean is written here, and a global means what
the caller's table says; a name that the table lacks is refused.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from npr.interop.contents import ForeignError, shown

MAX_STREAM = 8 << 20
MAX_OPCODES = 300_000
MAX_DEPTH = 32
MAX_BITS = 128
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Maker(NamedTuple):
    """A global that a stream may call.

    name : of the global
    make : takes the tuple of arguments, none of which it may trust
    """

    name: str
    make: Callable[[tuple[Any, ...]], Any]


class Loaded(NamedTuple):
    """A value, and the position after the stream that described it."""

    value: Any
    end: int


def load(data: bytes, start: int, names: Mapping[str, Any], persistent: Callable[[Any], Any]) -> Loaded:
    """The value of the pickle that begins at `start`.

    Parameters
    ----------
    data : bytes
        One or more pickles, one after the other, protocol 2 or later.
    start : int
        Where this one begins.
    names : mapping
        The globals that may occur, "module.name", each a `Maker` or a value that stands for it.
    persistent : callable
        Turns a persistent id into a value.

    Returns
    -------
    Loaded
        dict, list, tuple, str, int, float, bool, None, and what `names` and `persistent` gave; without cycles.

    Raises
    ------
    ForeignError
        For a stream that is damaged, too long or too deep, or holds any other opcode or global.
    """
    machine = _Machine(names, persistent)
    stream = io.BytesIO(data[start : start + MAX_STREAM])
    try:
        for count, (opcode, argument, at) in enumerate(pickletools.genops(stream)):
            if count == 0 and opcode.name != "PROTO":
                raise ForeignError("no pickle of protocol 2 or later begins where one is expected")
            if count >= MAX_OPCODES:
                raise ForeignError(f"a pickle has more than {MAX_OPCODES:,} opcodes")
            if opcode.name == "STOP":
                return Loaded(_finished(machine.result()), start + (at or 0) + 1)
            machine.step(opcode.name, argument)
    except (ValueError, OverflowError) as error:
        cut = " or is cut short" if len(data) - start <= MAX_STREAM else f" or is longer than {MAX_STREAM >> 20} MiB"
        raise ForeignError(f"a pickle is damaged{cut} ({str(error)[:80]})") from error
    raise ForeignError("a pickle has no end")


class _Machine:
    """Stack, marks and memo of one stream."""

    def __init__(self, names: Mapping[str, Any], persistent: Callable[[Any], Any]) -> None:
        self._names, self._persistent = names, persistent
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        """Do what one opcode says."""
        if opcode in _LITERALS:
            self._stack.append(_small(argument))
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            self._stack.append(_EMPTY[opcode]())
        elif opcode in _TUPLES:
            self._stack.append(tuple(self._pop(_TUPLES[opcode])))
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        else:
            raise ForeignError(f"the opcode {opcode} has no place in a weight file")

    def result(self) -> Any:
        """The one value that is left."""
        if len(self._stack) != 1 or self._marks:
            raise ForeignError("a pickle ends with more or less than one value")
        return self._stack[0]

    def _pop(self, count: int = 1) -> list[Any]:
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise ForeignError("a pickle takes more values than it gave")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _since_mark(self) -> list[Any]:
        if not self._marks:
            raise ForeignError("a pickle closes what it did not open")
        mark = self._marks[-1]
        taken = self._pop(len(self._stack) - mark)
        self._marks.pop()
        return taken

    def _top(self, kind: type) -> Any:
        """The value on top, which stays there."""
        (top,) = self._pop()
        self._stack.append(top)
        if type(top) is not kind:
            raise ForeignError(f"a pickle fills what is no {kind.__name__}")
        return top

    def proto(self, version: int) -> None:
        if not 2 <= version <= 5:
            raise ForeignError(f"pickle protocol {version} is unknown")

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def close_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._since_mark()))

    def append(self, _: Any) -> None:
        item = self._pop()
        self._top(list).extend(item)

    def appends(self, _: Any) -> None:
        items = self._since_mark()
        self._top(list).extend(items)

    def set_item(self, _: Any) -> None:
        pair = self._pop(2)
        _set(self._top(dict), pair)

    def set_items(self, _: Any) -> None:
        items = self._since_mark()
        _set(self._top(dict), items)

    def put(self, key: int) -> None:
        (value,) = self._pop()
        self._stack.append(value)
        self._memo[key] = value

    def memoize(self, _: Any) -> None:
        self.put(len(self._memo))

    def get(self, key: int) -> None:
        if key not in self._memo:
            raise ForeignError("a pickle refers to a value that it did not give")
        self._stack.append(self._memo[key])

    def find(self, name: str) -> None:
        self._find(*name.split(" ", 1))

    def find_on_stack(self, _: Any) -> None:
        self._find(*self._pop(2))

    def _find(self, module: Any, name: Any = "") -> None:
        full = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else ""
        if full not in self._names:
            raise ForeignError(
                f"it asks for {shown(full)}, which is never run from a weight file; "
                f"allowed: {', '.join(self._names) or 'none here'}. Save model.state_dict() instead of a whole model"
            )
        self._stack.append(self._names[full])

    def reduce(self, _: Any) -> None:
        maker, arguments = self._pop(2)
        if not isinstance(maker, Maker) or type(arguments) is not tuple:
            raise ForeignError("a pickle calls what cannot be called")
        self._stack.append(maker.make(arguments))

    def build(self, _: Any) -> None:
        """Attributes of a dict: the versions that torch notes down beside a state dict. Nobody needs them."""
        self._pop()
        self._top(dict)

    def persistent(self, _: Any) -> None:
        (identity,) = self._pop()
        self._stack.append(self._persistent(identity))

    def ignore(self, _: Any) -> None:
        pass


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.proto,
    "FRAME": _Machine.ignore,
    "MARK": _Machine.mark,
    "TUPLE": _Machine.close_tuple,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.find,
    "STACK_GLOBAL": _Machine.find_on_stack,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}


def table(pairs: list[Any]) -> dict[Any, Any]:
    """A dict from keys and values in turn.

    Raises
    ------
    ForeignError
        If a key is neither text nor an integer, or a value is missing.
    """
    found: dict[Any, Any] = {}
    _set(found, pairs)
    return found


def _set(target: dict[Any, Any], pairs: list[Any]) -> None:
    keys, values = pairs[::2], pairs[1::2]
    if len(keys) != len(values) or not all(type(key) in (str, int) for key in keys):
        raise ForeignError("a pickle has a table whose keys are neither text nor integers")
    target.update(zip(keys, values, strict=True))


def _small(value: Any) -> Any:
    """A literal, unless it is an integer that no file has a use for."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ForeignError(f"a pickle holds an integer of more than {MAX_BITS} bits")
    return value


def _finished(value: Any) -> Any:
    """`value`, which has no cycles and is at most MAX_DEPTH deep; shared parts are walked once."""
    height: dict[int, int] = {}
    waiting: list[tuple[Any, bool]] = [(value, False)]
    while waiting:
        item, done = waiting.pop()
        children = _children(item)
        if done:
            height[id(item)] = 1 + max((height[id(child)] for child in children), default=0)
        elif id(item) not in height:
            height[id(item)] = MAX_DEPTH  # until it is done: a cycle comes out as too deep
            waiting += [(item, True), *((child, False) for child in children)]
        if height[id(item)] > MAX_DEPTH:
            raise ForeignError(f"a pickle nests more than {MAX_DEPTH} deep, or contains itself")
    return value


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return list(item) if isinstance(item, list | tuple) else []
