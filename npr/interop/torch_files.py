"""The two containers of torch.save: five pickles and raw storages (before torch 1.6), or a zip file."""

from __future__ import annotations

from typing import Any

from npr.interop.archive import Archive
from npr.interop.contents import Contents, ForeignError, shown
from npr.interop.pickles import load
from npr.interop.torch_tensors import NAMES, Storage, contents, one_kind, state_dict, storage

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
PICKLED = "data.pkl"
_COUNT = 8  # bytes of the number that stands before each storage


def read_old(data: bytes) -> Contents:
    """Tensors of a file of torch before 1.6.

    Five pickles: MAGIC, VERSION, the machine it was written on, the value, the keys of its storages in the order
    of the file. Then for each key the number of its elements (int64) and the elements, little-endian.

    Raises
    ------
    ForeignError
        If it is damaged or anything else.
    """
    magic = load(data, 0, {}, _no_storage)
    if magic.value != MAGIC:
        raise ForeignError(
            "it is a pickle, but not one of torch.save; save a state dict with torch.save or safetensors"
        )
    version = load(data, magic.end, {}, _no_storage)
    if version.value != VERSION:
        raise ForeignError("it has an unknown version of the format of torch before 1.6")
    machine = load(data, version.end, NAMES, _no_storage)
    if not isinstance(machine.value, dict) or machine.value.get("little_endian") is not True:
        raise ForeignError("it was written on a big-endian machine, which is not read")
    value = load(data, machine.end, NAMES, storage)
    keys = load(data, value.end, {}, _no_storage)
    views, notes = state_dict(value.value)
    places = _places(data, keys.end, keys.value, _all_storages(value.value))
    one_kind(views)
    return contents(views, lambda source: places[source.key], "torch file of before 1.6", notes)


def _places(data: bytes, start: int, keys: Any, known: dict[str, Storage]) -> dict[str, memoryview]:
    """Bytes of every storage; they fill the file."""
    if type(keys) is not list or any(type(key) is not str for key in keys) or sorted(keys) != sorted(known):
        raise ForeignError("the storages it lists are not those of its tensors")
    places: dict[str, memoryview] = {}
    for key in keys:
        count = int.from_bytes(data[start : start + _COUNT], "little")
        end = start + _COUNT + known[key].nbytes
        if count != known[key].length or end > len(data):
            raise ForeignError(f"storage {shown(key)} has another size than its tensors say, or the file is cut short")
        places[key] = memoryview(data)[start + _COUNT : end]
        start = end
    if start != len(data):
        raise ForeignError(f"{len(data) - start:,} bytes stand after its last storage")
    return places


def _all_storages(value: Any) -> dict[str, Storage]:
    """Every storage of a value, also of tensors that are left aside; the value has no cycles."""
    found: dict[str, Storage] = {}
    waiting: list[Any] = [value]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, Storage):
            found[item.key] = item
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            waiting += item.values() if isinstance(item, dict) else item
    return found


def read_zip(archive: Archive) -> Contents:
    """Tensors of a zip file of torch since 1.6: data.pkl and data/<key> below one folder.

    Raises
    ------
    ForeignError
        If it is damaged or anything else.
    """
    found = [name for name in archive.names if name.endswith(PICKLED)]
    if len(found) != 1:
        raise ForeignError(f"it has {len(found)} members called {PICKLED}, a torch file has one")
    folder = found[0].removesuffix(PICKLED)
    order = archive.read(f"{folder}byteorder", 16) if f"{folder}byteorder" in archive.names else b"little"
    if order != b"little":
        raise ForeignError("it was written on a big-endian machine, which is not read")
    value = load(archive.read(found[0]), 0, NAMES, storage).value
    views, notes = state_dict(value)
    one_kind(views)

    def read(source: Storage) -> bytes:
        data = archive.read(f"{folder}data/{source.key}", source.nbytes)
        if len(data) != source.nbytes:
            raise ForeignError(f"storage {shown(source.key)} has {len(data):,} bytes instead of {source.nbytes:,}")
        return data

    return contents(views, read, "torch file", notes)


def _no_storage(_: Any) -> Any:
    raise ForeignError("a storage is described where none belongs")
