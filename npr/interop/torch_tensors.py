"""Tensors as torch describes them, views of storages, and their numbers; every claim is checked first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from npr.interop.contents import MAX_AXES, MAX_BYTES, MAX_TENSORS, Contents, ForeignError, decoded, shown
from npr.interop.pickles import Maker, table
from npr.params import Array


class Kind(NamedTuple):
    """Class of a storage: its name, and the type of its numbers as they lie in the file."""

    name: str
    dtype: str

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return self.raw.itemsize

    @property
    def raw(self) -> np.dtype:
        """Type of the numbers before they are widened."""
        return np.dtype("<u2" if self.dtype == "bf16" else self.dtype)


class Storage(NamedTuple):
    """`length` numbers in a row, which the file holds under `key`."""

    kind: Kind
    key: str
    length: int

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return self.length * self.kind.itemsize


class View(NamedTuple):
    """A tensor: numbers of a storage from `offset` on, `stride` numbers apart."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


KINDS = (
    Kind("FloatStorage", "<f4"),
    Kind("DoubleStorage", "<f8"),
    Kind("HalfStorage", "<f2"),
    Kind("BFloat16Storage", "bf16"),
    Kind("LongStorage", "<i8"),
    Kind("IntStorage", "<i4"),
)


def storage(identity: Any) -> Storage:
    """The storage that a persistent id means: ("storage", class, key, device, count) and perhaps None.

    Raises
    ------
    ForeignError
        If it is something else.
    """
    if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
        raise ForeignError("a persistent id means no storage")
    _, kind, key, _, length, *rest = identity
    if rest not in ([], [None]) or not isinstance(kind, Kind) or type(key) is not str or not _sizes((length,)):
        raise ForeignError("a storage is described in a way that is not known")
    if length * kind.itemsize > MAX_BYTES:
        raise ForeignError(
            f"storage {shown(key)} claims {length * kind.itemsize:,} bytes, at most {MAX_BYTES:,} are read"
        )
    return Storage(kind, key, length)


def _tensor(arguments: tuple[Any, ...]) -> View:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)."""
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise ForeignError("a tensor is described in a way that is not known")
    source, offset, size, stride = arguments[:4]
    numbers = (offset, *_tuple(size), *_tuple(stride))
    if len(size) != len(stride) or len(size) > MAX_AXES or not _sizes(numbers):
        raise ForeignError(f"a tensor has an impossible shape, a negative stride or more than {MAX_AXES} axes")
    return View(source, offset, size, stride)


def _parameter(arguments: tuple[Any, ...]) -> View:
    """torch._utils._rebuild_parameter(tensor, requires_grad, hooks)."""
    if not arguments or not isinstance(arguments[0], View):
        raise ForeignError("a parameter is no tensor")
    return arguments[0]


def _ordered(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """collections.OrderedDict(), or of a list of pairs."""
    if not arguments:
        return {}
    pairs = arguments[0]
    if len(arguments) > 1 or type(pairs) is not list or any(type(p) not in (list, tuple) or len(p) != 2 for p in pairs):
        raise ForeignError("an OrderedDict is made of something else than pairs")
    return table([part for pair in pairs for part in pair])


NAMES: dict[str, Any] = {
    "collections.OrderedDict": Maker("OrderedDict", _ordered),
    "torch._utils._rebuild_tensor_v2": Maker("tensor", _tensor),
    "torch._utils._rebuild_parameter": Maker("parameter", _parameter),
    **{f"torch.{kind.name}": kind for kind in KINDS},
}


def state_dict(value: Any) -> tuple[dict[str, View], tuple[str, ...]]:
    """The tensors of a loaded value, and what was left aside.

    Parameters
    ----------
    value : object
        A state dict, or a table that holds one among other things, as many training scripts store it.

    Raises
    ------
    ForeignError
        If there are none, or several tables hold some.
    """
    if not isinstance(value, dict):
        raise ForeignError("it holds no table of tensors")
    inner = {name: part for name, part in value.items() if isinstance(part, dict) and _views(part)}
    notes: list[str] = []
    if not _views(value):
        if len(inner) != 1:
            found = ", ".join(shown(name) for name in list(value)[:20])
            raise ForeignError(f"it holds {len(inner)} tables of tensors, one was expected; its entries are {found}")
        ((name, value),) = inner.items()
        notes.append(f"The weights are those of its entry {shown(name)}.")
    views = _views(value)
    if len(views) > MAX_TENSORS:
        raise ForeignError(f"it has {len(views):,} tensors, at most {MAX_TENSORS:,} are read")
    left = [shown(name) for name in value if name not in views]
    if left:
        notes.append(f"Left aside, being no tensors: {', '.join(left[:10])}{' ...' if len(left) > 10 else ''}.")
    return views, tuple(notes)


def contents(
    views: Mapping[str, View],
    read: Callable[[Storage], bytes | memoryview],
    container: str,
    notes: tuple[str, ...] = (),
) -> Contents:
    """The numbers of all tensors.

    Parameters
    ----------
    views : mapping
        What the tensors are.
    read : callable
        Bytes of a storage.
    container : str
        What the file is.
    notes : tuple of str
        What is known already.

    Raises
    ------
    ForeignError
        If a tensor reaches beyond its storage or overlaps another; the same view may have two names.
    """
    raw: dict[str, Array] = {}
    taken: dict[str, Array] = {}
    known: dict[View, Array] = {}
    for name, view in views.items():
        source = view.storage
        if source.key not in raw:
            raw[source.key] = np.frombuffer(read(source), source.kind.raw)
            taken[source.key] = np.zeros(source.length, bool)
        if view not in known:
            known[view] = _numbers(name, view, raw[source.key], taken[source.key])
    tensors = {name: known[view] for name, view in views.items()}
    halves = sorted({view.storage.kind.name for view in views.values()} & {"HalfStorage", "BFloat16Storage"})
    widened = tuple(f"{kind.removesuffix('Storage')} numbers were widened to float32." for kind in halves)
    return Contents(tensors, container, {}, (*notes, *widened))


def one_kind(views: Mapping[str, View]) -> dict[str, Storage]:
    """Storages by key.

    Raises
    ------
    ForeignError
        If one is described in two ways.
    """
    found: dict[str, Storage] = {}
    for view in views.values():
        if found.setdefault(view.storage.key, view.storage) != view.storage:
            raise ForeignError(f"storage {shown(view.storage.key)} is described in two ways")
    return found


def _numbers(name: str, view: View, raw: Array, taken: Array) -> Array:
    """The numbers of one view in C order; they are marked as taken."""
    size, count = view.size, prod(view.size)
    if not count:
        return decoded(np.zeros(size, view.storage.kind.raw), view.storage.kind.dtype)
    if view.offset + _reach(name, view) >= len(raw):
        raise ForeignError(f"tensor {shown(name)} reaches beyond its storage of {len(raw):,} numbers")
    own = as_strided(taken[view.offset :], size, view.stride)
    if own.any():
        raise ForeignError(f"tensor {shown(name)} overlaps another")
    own[...] = True
    steps = tuple(step * raw.itemsize for step in view.stride)
    return decoded(np.array(as_strided(raw[view.offset :], size, steps), order="C"), view.storage.kind.dtype)


def _reach(name: str, view: View) -> int:
    """Distance of the last number from the first, of a view in which no number stands twice."""
    reach = 0
    for step, count in sorted((step, count) for step, count in zip(view.stride, view.size, strict=True) if count > 1):
        if step <= reach:
            raise ForeignError(f"tensor {shown(name)} overlaps itself")
        reach += (count - 1) * step
    return reach


def _views(value: dict[Any, Any]) -> dict[str, View]:
    return {name: part for name, part in value.items() if type(name) is str and isinstance(part, View)}


def _tuple(value: Any) -> tuple[Any, ...]:
    """A shape or strides."""
    if type(value) is not tuple:
        raise ForeignError("a tensor has a shape that is no tuple")
    return value


def _sizes(values: tuple[Any, ...]) -> bool:
    """Whether all are whole numbers that an array can have."""
    return all(type(value) is int and 0 <= value < 1 << 48 for value in values)
