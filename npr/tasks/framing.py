"""From recordings to a corpus of frames, and what a frame can be guessed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from npr.data import phones, timit
from npr.data.features import Features
from npr.errors import ConfigError, DataError
from npr.tasks.recordings import Recording
from npr.tasks.stored import Indices
from npr.tasks.utterances import Corpus, moments, standardise


class Framing(NamedTuple):
    """How recordings become frames.

    target : "digit", "phone" or "next-frame"
    features : what a frame is
    rate : samples per second that `features` expects
    limit : most frames of a recording
    normalise : the frames whose mean and variance are taken out: "train", "utterance" or "none"
    silence : whether every recording gets one more frame, that of silence
    """

    target: str
    features: Features
    rate: int
    limit: int
    normalise: str
    silence: bool


def gather(how: Framing, used: Sequence[Recording], train: Indices) -> Corpus:
    """Frames and targets of recordings.

    Parameters
    ----------
    how : Framing
        What a frame is and what is wanted.
    used : sequence of Recording
        In the order that they get in the corpus.
    train : ndarray (n,), int64
        Numbers of those that are trained on.

    Returns
    -------
    Corpus

    Raises
    ------
    ConfigError
        If a recording is too long.
    DataError
        If one is damaged, has a lower rate than wanted, or nothing to predict.
    """
    found = [_frames(how, one) for one in used]
    ends = np.cumsum([0, *(len(frames) for frames in found)])
    joined = Corpus(np.concatenate(found), ends, added=int(how.silence))
    standardise(joined, train, how.normalise)
    if how.target == "digit":
        return joined._replace(digits=np.array([one.digit for one in used], np.int64))
    if how.target == "phone":
        classes = [_phones(how, one, len(frames)) for one, frames in zip(used, found, strict=True)]
        return joined._replace(phones=np.concatenate(classes))
    return joined


def baselines(corpus: Corpus, train: Indices, measured: Indices) -> dict[str, float]:
    """Mean squared errors over the recordings `measured` of two guesses at the next frame: the mean of all frames
    of `train`, and the present frame once more."""
    mean, _ = moments(corpus, train)
    sums, entries = np.zeros(2), 0
    for row in measured:
        frames = corpus.of(row).astype(np.float64)
        wanted = frames[1:]
        sums += [np.square(wanted - mean).sum(), np.square(wanted - frames[:-1]).sum()]
        entries += wanted.size
    return {"mean of the training frames": float(sums[0] / entries), "frame repeated": float(sums[1] / entries)}


def _frames(how: Framing, one: Recording) -> NDArray[np.float32]:
    found = one.sound()
    if found.rate < how.rate:
        raise DataError(f"{one.name}: expected {how.rate} samples per second or more, found {found.rate}.")
    samples = found.wave()
    if found.rate != how.rate:
        # The same filter as MATLAB's resample, with which the published 8 kHz files were made.
        samples = scipy.signal.resample_poly(samples, how.rate, found.rate)
    frames = how.features.frames(samples)
    if len(frames) > how.limit:
        raise ConfigError(f"max_frames = {how.limit}: {one.name} has {len(frames)} frames. Allow that many.")
    if how.silence:
        frames = np.concatenate([frames, how.features.frames(np.zeros(1))[:1]])
    if how.target == "next-frame" and len(frames) < 2:
        raise DataError(f"{one.name}: it has one frame alone, which no other follows.")
    return frames.astype(np.float32)


def _phones(how: Framing, one: Recording, count: int) -> NDArray[np.int64]:
    return phones.at(one.segments(), how.features.centres(count) * timit.RATE // how.rate)
