"""What a foreign file gives, and the error for one that gives nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from npr.errors import DataError
from npr.params import Array

# A weight file of the models here has tens of tensors and at most some hundred megabytes.
MAX_BYTES = 1 << 30
MAX_TENSORS = 4096
MAX_AXES = 8


class ForeignError(DataError):
    """A weight file is damaged, or holds what is never read from such a file."""


class Contents(NamedTuple):
    """Tensors of a weight file.

    Attributes
    ----------
    tensors : dict of str to Array
        In C order, with types of this machine; half precision is widened to float32.
    container : str
        What the file is, for messages.
    metadata : dict of str to str
        Text beside the tensors; only safetensors has it.
    notes : tuple of str
        What the user should be told.
    sha256 : str
        Of the file.
    """

    tensors: dict[str, Array]
    container: str
    metadata: dict[str, str] = {}  # noqa: RUF012
    notes: tuple[str, ...] = ()
    sha256: str = ""


def decoded(raw: Array, dtype: str) -> Array:
    """Numbers of this machine from little-endian ones; "<f2" and "bf16" (raw: "<u2") become float32."""
    if dtype == "bf16":
        return np.asarray(raw.astype(np.uint32) << 16).view(np.float32)
    found = np.dtype(dtype)
    wide: np.dtype = np.dtype(np.float32) if found == np.float16 else found.newbyteorder("=")
    return np.ascontiguousarray(raw, wide).reshape(raw.shape)


def shown(name: object) -> str:
    """A name from a file, fit for a message: short and printable."""
    text = str(name)
    return repr(text if len(text) <= 80 else text[:77] + "...")
