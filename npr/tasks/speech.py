"""Speech, frame by frame: the spoken digit, the phone of every frame, or the frame that comes next."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from npr.data import fsdd, phones
from npr.data.cepstrum import MFCC, Derivatives
from npr.data.features import Features, LogMagnitude, LogMel
from npr.errors import ConfigError
from npr.fields import one_of, whole
from npr.registry import tasks, unknown
from npr.tasks import recordings, speech_split
from npr.tasks.base import Baseline, Log, to_stderr
from npr.tasks.framing import Framing, baselines, gather
from npr.tasks.recordings import Source
from npr.tasks.stored import StoredDataset
from npr.tasks.utterances import Utterances

# Data sets that a target can be had from; the first is that of data = "auto".
SOURCES = {"digit": ("fsdd",), "phone": ("timit",), "next-frame": ("fsdd", "timit")}
# Sentences of TIMIT for training, validation and test, without SA.
_WHOLE = {"official": (3696, 400, 192), "swapped": (3696, 192, 400)}
# The longest recordings have 226 frames of 10 ms (fsdd) and 779 (timit).
_DIGIT_FRAMES, _SENTENCE_FRAMES = 250, 800


@tasks.register("speech")
@dataclass(frozen=True)
class Speech:
    """Spoken digits (`fsdd`, ten classes after the last frame), or anyone's TIMIT folder (`--data timit`).

    target : "digit"; "phone" of every frame, TIMIT's 61 folded to 39, the glottal stop left out of loss and
        accuracy; or "next-frame", the features of the frame that follows, by mean squared error over all frames
    split : recordings for the test, "official" (takes 0 to 4 of each digit and speaker; TIMIT's core test),
        "swapped" (TIMIT's core test validates and its development set tests), "speaker:NAME[,NAME]"
    validation : of the others "standard" (takes 5 to 9; TIMIT's development set of 50 speakers),
        "index:FIRST-LAST", "speaker:NAME[,NAME]", "none"
    features : "log-mel", "mfcc", "log-magnitude" (10 log10(1e-5 + |X|^2), 32 ms frames, 16 ms hop)
    normalise : mean 0 and variance 1 of every feature over the frames of the "train" set or of the "utterance";
        "none"
    sample_rate : 8000; of TIMIT also 16000, which is reduced to 8000 otherwise
    frame_ms, hop_ms, n_mels, f_min, f_max, power : of log-mel and mfcc; f_max = 0 for half the rate
    n_mfcc, lifter : of mfcc: coefficients, and HTK's lifter (0 none, 22 HTK's)
    deltas : orders of derivatives in time that follow the features, 0 to 2
    last_frame : with "next-frame", of each recording: "mask" leaves it out as an input, since nothing follows;
        "silence" wants silence to follow, as the published code does
    pool : batches in which recordings of similar length are brought together, 0 for none
    max_frames : longest recording accepted, which is also what models plan for; 0 for 250 digits, 800 sentences

    Source: split of the digits Jakobovski/free-spoken-digit-dataset README; phones Lee and Hon 1989; next-frame
    stwisdom/urnn timit_prediction.py and Lezcano/expRNN 3_timit.py.
    """

    target: str = "digit"
    split: str = "official"
    validation: str = "standard"
    features: str = "log-mel"
    normalise: str = "train"
    sample_rate: int = 8000
    frame_ms: float = 25.0
    hop_ms: float = 10.0
    n_mels: int = 40
    f_min: float = 20.0
    f_max: float = 0.0
    power: float = 2.0
    n_mfcc: int = 13
    lifter: int = 0
    deltas: int = 0
    last_frame: str = "mask"
    pool: int = 10
    max_frames: int = 0

    name: ClassVar[str] = "speech"
    sets: ClassVar[tuple[str, ...]] = ("fsdd",)
    baseline: ClassVar[Baseline | None] = None

    def __post_init__(self) -> None:
        one_of(tuple(SOURCES), target=self.target)
        speech_split.check(self.split, self.validation)
        one_of(("log-mel", "mfcc", "log-magnitude"), features=self.features)
        one_of(("train", "utterance", "none"), normalise=self.normalise)
        one_of(("mask", "silence"), last_frame=self.last_frame)
        whole("[0, 1e6]", pool=self.pool, max_frames=self.max_frames)
        whole("[8000, 16000]", sample_rate=self.sample_rate)
        if self.sample_rate not in (8000, 16000):
            raise ConfigError(f"sample_rate = {self.sample_rate}: it must be 8000 or 16000.")
        self.extractor()

    def extractor(self) -> Features:
        """What turns samples into frames."""
        mel = LogMel(
            self.sample_rate, self.frame_ms, self.hop_ms, self.n_mels, self.f_min, self.f_max, float(self.power)
        )
        plain: Features = mel
        if self.features == "mfcc":
            plain = MFCC(mel, self.n_mfcc, self.lifter)
        elif self.features == "log-magnitude":
            plain = LogMagnitude(self.sample_rate)
        return Derivatives(plain, self.deltas) if self.deltas else plain

    @property
    def input_size(self) -> int:
        """Values per frame."""
        return self.extractor().size

    @property
    def output_size(self) -> int:
        """Digits, phones, or values per frame."""
        return {"digit": 10, "phone": len(phones.CLASSES)}.get(self.target, self.input_size)

    @property
    def seq_len(self) -> int:
        """Frames of the longest recording accepted."""
        return self.max_frames or (_DIGIT_FRAMES if self.target == "digit" else _SENTENCE_FRAMES)

    @property
    def readout(self) -> str:
        """After the last frame for digits, else at every frame."""
        return "last" if self.target == "digit" else "every"

    @property
    def loss(self) -> str:
        """Of classes or of frames."""
        return "mse" if self.target == "next-frame" else "cross-entropy"

    @property
    def metric(self) -> str:
        """Accuracy of classes, loss of frames."""
        return "loss" if self.target == "next-frame" else "accuracy"

    @property
    def higher_is_better(self) -> bool:
        """So it is for classes."""
        return self.target != "next-frame"

    @property
    def predicts(self) -> bool:
        """Whether the frame that comes next is wanted."""
        return self.target == "next-frame"

    def open(
        self, data: str = "auto", data_dir: str | os.PathLike[str] | None = None, log: Log = to_stderr
    ) -> StoredDataset:
        """Find or download the recordings and turn them into frames.

        Parameters
        ----------
        data : str
            "fsdd" spoken digits, "timit" the folder of that name; "auto" the first that has the target.
        data_dir : path or None
            Folder named by the user.
        log : callable
            Takes lines about downloads, and what a frame is guessed with if the next one is to be predicted.

        Returns
        -------
        StoredDataset
            Named "speech", or "speech[timit]".

        Raises
        ------
        ConfigError
            If `data` does not have the target, a recording is too long, or the split does not suit the data.
        DataError
            If files are missing or damaged, or a part of the split is empty.
        """
        source = self._source(data, data_dir, log)
        kind = source.about["data"]
        rows = speech_split.divide(self.split, self.validation, kind, source.recordings)
        used = np.concatenate(list(rows.values()))
        own = _renumbered(rows)
        corpus = gather(self._framing(), [source.recordings[number] for number in used], own["train"])
        parts = {name: Utterances(corpus, numbers, self.pool) for name, numbers in own.items()}
        told = {key: getattr(self, key) for key in ("target", "split", "validation", "features", "normalise")}
        notice = self._notice(kind, rows)
        if notice:
            log(notice)
        provenance: dict[str, Any] = {**source.about, **told}
        if corpus.predicts:
            measured = "validation" if len(own["validation"]) else "train"
            provenance["baselines"] = baselines(corpus, own["train"], own[measured])
            for name, value in provenance["baselines"].items():
                log(f"baseline: {name}: {measured} loss {value:.4f}")
        name = self.name if kind == "fsdd" else f"{self.name}[{kind}]"
        return StoredDataset(name, parts, provenance, notice)

    def _source(self, data: str, data_dir: str | os.PathLike[str] | None, log: Log) -> Source:
        names = ("auto", "fsdd", "timit")
        if data not in names:
            raise ConfigError(unknown("data source", data, list(names)))
        chosen = SOURCES[self.target][0] if data == "auto" else data
        if chosen not in SOURCES[self.target]:
            suited = [target for target, sets in SOURCES.items() if chosen in sets]
            raise ConfigError(f"data = '{data}' has no target = '{self.target}'; it has {', '.join(suited)}.")
        if chosen == "timit":
            return recordings.sentences(data_dir, log)
        if self.sample_rate != fsdd.RATE:
            raise ConfigError(f"sample_rate = {self.sample_rate}: the spoken digits have {fsdd.RATE}.")
        return recordings.digits(data_dir, log)

    def _framing(self) -> Framing:
        silence = self.target == "next-frame" and self.last_frame == "silence"
        return Framing(self.target, self.extractor(), self.sample_rate, self.seq_len, self.normalise, silence)

    def _notice(self, kind: str, rows: speech_split.Rows) -> str:
        """What must be said about a TIMIT folder that is not whole."""
        there, wanted = tuple(len(part) for part in rows.values()), _WHOLE.get(self.split)
        standard = kind == "timit" and wanted is not None and self.validation == "standard"
        if not standard or there == wanted:
            return ""
        return (
            f"WARNING: this TIMIT folder is not whole: {there} sentences to train, validate and test instead of "
            f"{wanted}. Its results compare with no published ones."
        )


def _renumbered(rows: speech_split.Rows) -> speech_split.Rows:
    """The parts of a split once the recordings of all of them stand one after the other, and no others."""
    ends = np.cumsum([0, *(len(part) for part in rows.values())])
    return {name: np.arange(ends[i], ends[i + 1]) for i, name in enumerate(rows)}
