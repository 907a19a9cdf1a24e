"""Sequential and permuted MNIST: 784 time steps of one pixel, then the digit."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from npr.data import idx, known, synthetic
from npr.data.download import Unreachable
from npr.data.loading import load
from npr.errors import ConfigError
from npr.fields import one_of
from npr.registry import tasks, unknown
from npr.tasks import permutation, split
from npr.tasks.base import Baseline, Log, to_stderr
from npr.tasks.images import Bytes, Part, Presentation, flatten
from npr.tasks.stored import StoredDataset

_BYTES = np.arange(256, dtype=np.float64)
SCALES = {
    "unit": _BYTES / 255,
    "signed": 2 * _BYTES / 255 - 1,
    "signed256": 2 * (_BYTES / 256 - 0.5),
}
LOSSES = ("cross-entropy", "mse", "smooth-l1")
SOURCES = ["auto", "mnist", "synthetic"]


class _Digits(NamedTuple):
    train: tuple[Bytes, Bytes]
    test: tuple[Bytes, Bytes]
    about: dict[str, Any]
    notice: str


@dataclass(frozen=True)
class PixelMnist:
    """What both tasks share; the fields are options.

    permutation : order of the pixels, "numpy:SEED", "torch:SEED" or "none"
    split : images held out for validation, "tail:COUNT", "random:COUNT:SEED", "nnrnn" or "none"
    pixels : "unit" p/255, "signed" 2p/255 - 1, "signed256" 2 (p/256 - 0.5) for a byte p
    loss : "cross-entropy", or "mse" or "smooth-l1" of the outputs against the one-hot vector of the digit

    Source: unit nnRNN and res-rnn, signed batzner/indrnn, signed256 the IndRNN authors' code; smooth-l1 res-rnn.
    """

    permutation: str = "none"
    split: str = "tail:5000"
    pixels: str = "signed"
    loss: str = "cross-entropy"

    name: ClassVar[str] = "smnist"
    input_size: ClassVar[int] = 1
    output_size: ClassVar[int] = 10
    seq_len: ClassVar[int] = 784
    readout: ClassVar[str] = "last"
    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True
    baseline: ClassVar[Baseline | None] = None
    sets: ClassVar[tuple[str, ...]] = ("mnist",)

    def __post_init__(self) -> None:
        permutation.check(self.permutation)
        split.check(self.split)
        if self.pixels not in SCALES:
            raise ConfigError(unknown("pixel scale", self.pixels, sorted(SCALES)))
        one_of(LOSSES, loss=self.loss)

    def open(
        self, data: str = "auto", data_dir: str | os.PathLike[str] | None = None, log: Log = to_stderr
    ) -> StoredDataset:
        """Find, download or draw the images.

        Parameters
        ----------
        data : str
            "mnist" the real set or an error, "synthetic" digits drawn by the project, "auto" the real set,
            and synthetic digits only if no folder was named, the cache has none and no mirror is in reach.
        data_dir : path or None
            Folder named by the user.
        log : callable
            Takes lines about downloads and about a fallback.

        Returns
        -------
        StoredDataset
            Its name ends in "[synthetic]" if the images are not MNIST, and `notice` says why.

        Raises
        ------
        ConfigError
            If `data` is none of these, or the split leaves no images to train on.
        DataError
            If the real set was asked for or a folder named, and files are missing or damaged.
        """
        digits = _digits(data, data_dir, log)
        if digits.notice:
            log(digits.notice)
        order = permutation.draw(self.permutation, self.seq_len)
        shown = Presentation(order, SCALES[self.pixels])
        rows = split.divide(self.split, len(digits.train[1]))
        parts = {
            "train": Part(*digits.train, rows.train, shown),
            "validation": Part(*digits.train, rows.validation, shown),
            "test": Part(*digits.test, np.arange(len(digits.test[1])), shown),
        }
        cut = {"split": self.split, "pixels": self.pixels, "permutation": self.permutation}
        provenance = {**digits.about, **cut, "permutation_sha256": permutation.digest(order)}
        real = digits.about["data"] == "mnist"
        name = self.name if real else f"{self.name}[{digits.about['data']}]"
        return StoredDataset(name, parts, provenance, digits.notice)


@tasks.register("smnist")
@dataclass(frozen=True)
class SequentialMnist(PixelMnist):
    """Pixels in the order of the rows."""


@tasks.register("pmnist")
@dataclass(frozen=True)
class PermutedMnist(PixelMnist):
    """Pixels in one fixed random order."""

    permutation: str = "numpy:92916"
    name: ClassVar[str] = "pmnist"


def _digits(data: str, data_dir: str | os.PathLike[str] | None, log: Log) -> _Digits:
    if data not in SOURCES:
        raise ConfigError(unknown("data source", data, SOURCES))
    if data == "synthetic":
        return _drawn("Data: SYNTHETIC DIGITS drawn by npr, as asked. Results say nothing about MNIST.")
    try:
        return _real(data_dir, log)
    except Unreachable as error:
        if data == "mnist":
            raise
        return _drawn(
            f"WARNING: SYNTHETIC DIGITS drawn by npr take the place of MNIST; "
            f"results say nothing about MNIST. The reason: {error}"
        )


def _real(data_dir: str | os.PathLike[str] | None, log: Log) -> _Digits:
    mnist = known.find("mnist")
    loaded = load(mnist, data_dir, log)
    log(f"data: {mnist.name} from {loaded.folder} ({loaded.source}), content verified")
    arrays = {file.name: idx.parse(loaded.content[file.name], file.name, file.dims or 0) for file in mnist.files}
    train, test = (
        flatten(arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"], f"mnist {part}")
        for part in ("train", "t10k")
    )
    hashes = {file.name: file.sha256 for file in mnist.files}
    return _Digits(train, test, {"data": "mnist", "source": loaded.source, "sha256": hashes}, "")


def _drawn(notice: str) -> _Digits:
    parts = {"train": synthetic.draw_train(), "test": synthetic.draw_test()}
    hashes = {
        f"{part}-{what}": hashlib.sha256(array).hexdigest()
        for part, digits in parts.items()
        for what, array in digits._asdict().items()
    }
    about = {"data": "synthetic", "source": "drawn", "sha256": hashes}
    return _Digits(parts["train"], parts["test"], about, notice)
