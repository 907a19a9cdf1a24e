"""Weight files built byte by byte, as torch writes them and as somebody would who means harm."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
KINDS = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "int64": "Long",
    "int32": "Int",
    "uint16": "BFloat16",
}
ORDERED, REBUILD = ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2")


def stream(body: bytes) -> bytes:
    """A pickle of protocol 2."""
    return b"\x80\x02" + body + b"."


def value(item: Any) -> bytes:
    """Opcodes that give plain data; bytes are opcodes already."""
    if isinstance(item, bytes):
        return item
    if item is None or isinstance(item, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[item]
    if isinstance(item, str):
        return b"X" + struct.pack("<I", len(item.encode())) + item.encode()
    if isinstance(item, float):
        return b"G" + struct.pack(">d", item)
    if isinstance(item, int):
        small = -(1 << 31) <= item < 1 << 31
        length = item.bit_length() // 8 + 1
        return (
            b"J" + struct.pack("<i", item)
            if small
            else bytes([0x8A, length]) + item.to_bytes(length, "little", signed=True)
        )
    if isinstance(item, dict):
        return b"}(" + b"".join(value(part) for pair in item.items() for part in pair) + b"u"
    open_, close = (b"](", b"e") if isinstance(item, list) else (b"(", b"t")
    return open_ + b"".join(map(value, item)) + close


def named(module: str, name: str) -> bytes:
    """Opcodes that give a global."""
    return f"c{module}\n{name}\n".encode()


def call(name: tuple[str, str], *arguments: Any) -> bytes:
    """Opcodes that call a global."""
    return named(*name) + value(arguments) + b"R"


def storage(key: str, dtype: str, length: int, device: str = "cpu", last: tuple[Any, ...] = ()) -> bytes:
    """Opcodes of a storage."""
    return value(("storage", named("torch", f"{KINDS[dtype]}Storage"), key, device, length, *last)) + b"Q"


def tensor(source: bytes, size: Any, stride: Any, offset: Any = 0) -> bytes:
    """Opcodes of a tensor."""
    return call(REBUILD, source, offset, size, stride, False, call(ORDERED))


def contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an array in C order."""
    return tuple(int(np.prod(size[i + 1 :])) for i in range(len(size)))


def state_dict(arrays: Arrays, last: tuple[Any, ...] = ()) -> bytes:
    """Opcodes of an OrderedDict of tensors, each with a storage of its own, with the keys "0", "1", ..."""
    body = call(ORDERED) + b"("
    for number, (name, array) in enumerate(arrays.items()):
        source = storage(str(number), array.dtype.name, array.size, last=last)
        body += value(name) + tensor(source, array.shape, contiguous(array.shape))
    # torch notes down versions as an attribute, which comes as a state to build.
    return body + b"u" + value({"_metadata": call(ORDERED)}) + b"b"


def old(body: bytes, storages: Arrays, **changes: Any) -> bytes:
    """A file of torch before 1.6; `changes` replace magic, version, machine or keys."""
    machine = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = {"magic": MAGIC, "version": VERSION, "machine": machine, "keys": list(storages)} | changes
    pickles = [value(parts["magic"]), value(parts["version"]), value(parts["machine"]), body, value(parts["keys"])]
    raw = (struct.pack("<q", array.size) + array.tobytes() for array in storages.values())
    return b"".join(map(stream, pickles)) + b"".join(raw)


def old_file(arrays: Arrays) -> bytes:
    """A state dict as torch before 1.6 stores it."""
    return old(state_dict(arrays, last=(None,)), {str(i): array for i, array in enumerate(arrays.values())})


def zipped(members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)
    return buffer.getvalue()


def zip_members(arrays: Arrays) -> dict[str, bytes]:
    """Members of a state dict as torch stores it since 1.6."""
    members = {"model/data.pkl": stream(state_dict(arrays)), "model/byteorder": b"little"}
    members |= {f"model/data/{i}": array.tobytes() for i, array in enumerate(arrays.values())}
    return members | {"model/version": b"3\n"}


def zip_file(arrays: Arrays) -> bytes:
    """A state dict as torch stores it since 1.6."""
    return zipped(zip_members(arrays))


def safetensors(arrays: Arrays, metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file, header first."""
    names = {"float32": "F32", "float64": "F64", "float16": "F16", "uint16": "BF16", "int64": "I64", "int32": "I32"}
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, array in arrays.items():
        header[name] = {"dtype": names[array.dtype.name], "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in arrays.values())


def npz(arrays: Arrays) -> bytes:
    """A file of numpy.savez."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


FORMATS = {"old": old_file, "zip": zip_file, "safetensors": safetensors, "npz": npz}


POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:bf1e0bbb00000000000000000000000000000000000000000000000000000000\nsize 128112979\n"
)
