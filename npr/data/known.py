"""Data sets the project can find, check and download: names, sizes and hashes of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from npr.data import fsdd, idx
from npr.errors import ConfigError, DataError
from npr.registry import unknown


class KnownFile(NamedTuple):
    """One file of a data set, described by its decompressed content.

    The container is not described: mirrors compress the same bytes differently. Where the content is itself an
    archive, `checker(content, where, sha256)` looks inside, and `size` is the most bytes it may have.

    `remote` is its path below a mirror, empty for NAME.gz.
    """

    name: str
    size: int
    sha256: str
    dims: int = 0
    checker: Callable[[bytes | bytearray, str, str], None] | None = None
    remote: str = ""

    def check(self, content: bytes | bytearray, where: str) -> None:
        """Raise DataError, naming `where`, unless `content` is exactly the published file."""
        if self.checker is not None:
            self.checker(content, where, self.sha256)
            return
        idx.parse(content, where, self.dims)
        if len(content) != self.size:
            raise DataError(f"{where}: expected {self.size} bytes of content, found {len(content)}.")
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise DataError(f"{where}: expected content with sha256 {self.sha256}, found {found}.")


class KnownSet(NamedTuple):
    """A data set: its files and the mirrors (folders on the web) that hold them."""

    name: str
    title: str
    licence: str
    files: tuple[KnownFile, ...]
    mirrors: tuple[str, ...]

    def listing(self) -> str:
        """The file names as a user should store them, for messages."""
        return ", ".join(f"{file.remote} as {file.name}" if file.remote else f"{file.name}.gz" for file in self.files)


MNIST = KnownSet(
    name="mnist",
    title="MNIST handwritten digits, 60,000 + 10,000 images of 28 x 28 pixels",
    licence="CC BY-SA 3.0, Y. LeCun and C. Cortes",
    files=(
        KnownFile(
            "train-images-idx3-ubyte",
            47_040_016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            3,
        ),
        KnownFile(
            "train-labels-idx1-ubyte",
            60_008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            1,
        ),
        KnownFile(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            3,
        ),
        KnownFile(
            "t10k-labels-idx1-ubyte",
            10_008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            1,
        ),
    ),
    # The set's original host answers 403 or a web page, so it is not listed.
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
)

FSDD = KnownSet(
    name="fsdd",
    title="Free Spoken Digit Dataset, 3,000 recordings of ten digits by six speakers, 8 kHz",
    licence="CC BY-SA 4.0, Z. Jackson and contributors",
    files=(
        KnownFile(
            "recordings.zip",
            1 << 26,
            "2f17dea19a57e5b41c96377cc76619e34da46105a595ef978b7d26466f8a9689",
            checker=fsdd.check,
            remote="v1.0.10.zip",
        ),
    ),
    # The archive of the tagged repository, whose recordings are those of recordings.zip.
    mirrors=("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags",),
)

SETS: dict[str, KnownSet] = {MNIST.name: MNIST, FSDD.name: FSDD}


def find(name: str) -> KnownSet:
    """The known data set called `name`.

    Raises
    ------
    ConfigError
        If there is none; the message lists those that exist.
    """
    if name not in SETS:
        raise ConfigError(unknown("data set", name, sorted(SETS)))
    return SETS[name]
