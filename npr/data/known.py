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

    The container is not described: mirrors compress the same bytes differently.

    dims : dimensions of an IDX array; None for other content, of which size and hash say enough
    packed : whether mirrors hold it as NAME.gz, or as NAME
    checker : looks into content that is itself an archive, checker(content, where, sha256); `size` is then the most
        bytes it may have
    remote : its path below a mirror where that is not its name
    """

    name: str
    size: int
    sha256: str
    dims: int | None = None
    packed: bool = True
    checker: Callable[[bytes | bytearray, str, str], None] | None = None
    remote: str = ""

    @property
    def published(self) -> str:
        """Its name on the mirrors."""
        return self.remote or (f"{self.name}.gz" if self.packed else self.name)

    def check(self, content: bytes | bytearray, where: str) -> None:
        """Raise DataError, naming `where`, unless `content` is exactly the published file."""
        if self.checker is not None:
            self.checker(content, where, self.sha256)
            return
        if self.dims is not None:
            idx.parse(content, where, self.dims)
        if len(content) != self.size:
            raise DataError(f"{where}: expected {self.size} bytes of content, found {len(content)}.")
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise DataError(f"{where}: expected content with sha256 {self.sha256}, found {found}.")


class KnownSet(NamedTuple):
    """A data set: its files and the mirrors (folders on the web) that hold them.

    A set without mirrors may not be handed on; `origin` then says where a user gets it.
    """

    name: str
    title: str
    licence: str
    files: tuple[KnownFile, ...]
    mirrors: tuple[str, ...]
    origin: str = ""

    def listing(self) -> str:
        """The file names as a user should store them, for messages."""
        return ", ".join(f"{file.remote} as {file.name}" if file.remote else file.published for file in self.files)

    def way(self) -> str:
        """How a person gets the files, as the beginning of a sentence."""
        return f"get {self.listing()} from {f'{self.mirrors[0]}/' if self.mirrors else self.origin}"


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

PTB = KnownSet(
    name="ptb",
    title="Penn Treebank, Mikolov's 10,000 words: 5.1, 0.4 and 0.4 million characters",
    licence="Linguistic Data Consortium, LDC99T42: not to be handed on",
    files=(
        KnownFile(
            "ptb.train.txt",
            5_101_618,
            "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
            packed=False,
        ),
        KnownFile(
            "ptb.valid.txt",
            399_782,
            "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
            packed=False,
        ),
        KnownFile(
            "ptb.test.txt",
            449_945,
            "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
            packed=False,
        ),
    ),
    mirrors=(),
    origin="T. Mikolov's simple-examples archive, folder data, under your own licence of LDC99T42 "
    "(catalog.ldc.upenn.edu)",
)

TINYSHAKESPEARE = KnownSet(
    name="tinyshakespeare",
    title="Plays of Shakespeare, 1,115,394 characters, 65 of them different",
    licence="public domain; the file is from karpathy/char-rnn, MIT",
    files=(
        KnownFile(
            "input.txt",
            1_115_394,
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            packed=False,
        ),
    ),
    mirrors=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare",),
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

SETS: dict[str, KnownSet] = {known.name: known for known in (MNIST, PTB, TINYSHAKESPEARE, FSDD)}


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
