"""A folder with TIMIT as its owner has it: TRAIN/DR1/FCJF0/SA1.{WAV,PHN}, names in upper or lower case.

TIMIT costs money and is no part of the known data sets: nothing here downloads it or knows its hashes.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from npr.data import content as contents
from npr.data import phones, sphere, wav
from npr.data.phones import Segment
from npr.data.sound import Sound
from npr.errors import DataError

# Positions in .PHN files count samples of this rate, whatever has become of the sound.
RATE = 16_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# 24 speakers, three of each dialect region, 192 sentences without SA. Source: TIMIT's documentation, testset.doc.
CORE_TEST = _names(
    "mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 "
    "mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0 mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0"
)
# 50 other speakers of the test part, 400 sentences. Source: Halberstadt 1998; Kaldi egs/timit/s5/conf/dev_spk.list.
DEVELOPMENT = _names(
    "faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0 mgjf0 "
    "mglb0 mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0 fmah0 fdrw0 "
    "mrcs0 mrjm4 fcal1 mmwh0 fjsj0 majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0 fmml0 mrws1"
)
_PARTS = ("train", "test")
_PLACES = ("timit", "TIMIT", "timit/TIMIT", "TIMIT/TIMIT", "timit/data", "TIMIT/data", "data", ".")
# The longest recording has 125 kB.
_LARGEST = 1 << 22


class Sentence(NamedTuple):
    """One recording: "train" or "test", speaker and sentence in lower case, and its files without a transcription
    if there is none."""

    part: str
    speaker: str
    sentence: str
    wav: Path
    phn: Path | None

    def sound(self) -> Sound:
        """Its samples, from a SPHERE or a RIFF file.

        Raises
        ------
        DataError
            If the file is neither, damaged or compressed.
        """
        content = contents.read(self.wav, _LARGEST)
        reader = sphere if content.startswith(sphere.MAGIC) else wav
        return reader.parse(content, str(self.wav))

    def segments(self) -> list[Segment]:
        """Its phones.

        Raises
        ------
        DataError
            If there is no transcription or it is damaged.
        """
        if self.phn is None:
            raise DataError(f"{self.wav}: there is no .PHN file beside it to say which phones are spoken.")
        text = contents.read(self.phn, _LARGEST).decode("ascii", "replace")
        return phones.parse(text, str(self.phn))


def find(folder: Path) -> list[Sentence]:
    """All sentences below `folder`, or below a folder `timit` or `data` in it, sorted; the SA sentences, which every
    speaker says, are left out.

    Raises
    ------
    DataError
        If no folder of that layout is there, or it cannot be read.
    """
    try:
        roots = (parts for place in _PLACES if len(parts := _subfolders(folder / place, _PARTS)) == 2)
        found = [one for part, at in next(roots, {}).items() for one in _sentences(part, at)]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    if not found:
        raise DataError(
            f"{folder}: there is no TIMIT: expected folders TRAIN and TEST with files like TRAIN/DR1/FCJF0/SI648.WAV."
        )
    return sorted(found, key=lambda one: (one.part != "train", one.speaker, one.sentence))


def _subfolders(folder: Path, names: tuple[str, ...] = ()) -> dict[str, Path]:
    """Folders in `folder` by their names in lower case, those of `names` only if given."""
    if not folder.is_dir():
        return {}
    below = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    return {name: path for name, path in below.items() if not names or name in names}


def _sentences(part: str, folder: Path) -> list[Sentence]:
    found = []
    for region in _subfolders(folder).values():
        for speaker, at in _subfolders(region).items():
            files = {path.name.lower(): path for path in sorted(at.iterdir()) if path.is_file()}
            # Some copies keep the SPHERE file as SI648.WAV beside a RIFF file SI648.WAV.wav; either will do.
            for stem in sorted({name.partition(".")[0] for name in files if name.endswith(".wav")}):
                sound = files.get(f"{stem}.wav") or files.get(f"{stem}.wav.wav")
                if sound and not stem.startswith("sa"):
                    found.append(Sentence(part, speaker, stem, sound, files.get(f"{stem}.phn")))
    return found
