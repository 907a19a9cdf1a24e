"""Safetensors files of other programs: half precision and text beside the tensors are allowed."""

from __future__ import annotations

import numpy as np

from npr.interop.contents import Contents, ForeignError, decoded
from npr.training.tensors import CheckpointError, entries, layouts

METADATA = "__metadata__"
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bf16", "I64": "<i8", "I32": "<i4"}
_ITEMSIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}


def read_safetensors(data: bytes) -> Contents:
    """Tensors of a safetensors file.

    Raises
    ------
    ForeignError
        If it is damaged, or a tensor is of another type than float and integer.
    """
    try:
        table, start = entries(data)
        metadata = table.pop(METADATA, {})
        found = layouts(table, len(data) - start, _ITEMSIZES)
    except CheckpointError as error:
        raise ForeignError(str(error)) from error
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ForeignError("the text beside its tensors is no table of texts")
    tensors = {}
    for name, layout in found.items():
        dtype = _DTYPES[layout.dtype]
        raw = np.frombuffer(data[start + layout.begin : start + layout.end], "<u2" if dtype == "bf16" else dtype)
        tensors[name] = decoded(raw.reshape(layout.shape), dtype)
    halves = sorted({layout.dtype for layout in found.values()} & {"F16", "BF16"})
    notes = tuple(f"{dtype} numbers were widened to float32." for dtype in halves)
    return Contents({name: tensors[name] for name in table}, "safetensors file", metadata, notes)
