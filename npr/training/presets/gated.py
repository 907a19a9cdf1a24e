"""Settings of LSTM, GRU and the Recurrent Residual Network.

NN stands for arXiv 1905.12080 and nnRNN/nnRNN_release (S its supplement, L logs stored with it), IRNN for arXiv
1504.00941, KA for karpathy/char-rnn, CH for yusuketomoto/chainer-char-rnn, RRN for the manuscript on the Recurrent
Residual Network, whose experiment is CH's first epoch on tinyshakespeare.
"""

from __future__ import annotations

from npr.training.presets import dense, text
from npr.training.presets.table import Preset, Table, rmsprop, without

# LSTM.py of NN draws the four matrices of [h, x] by xavier_normal and takes torch.nn.Linear's biases.
_JOINT: Preset = {
    "joint_init": (True, "NN LSTM.py"),
    "w_init": ("glorot-normal", "NN LSTM.py: xavier_normal"),
    "bias_init": ("fan-in", "NN LSTM.py: torch.nn.Linear"),
    "forget_bias": (0.0, "NN LSTM.py"),
}


_COPY: Preset = {
    **dense.COPY,
    **_JOINT,
    **rmsprop("NN S", 5e-4, 0.99),
    "hidden_size": (128, "NN S; also 63 with 0.001"),
}
_ADDING: Preset = {
    **without(dense.ADDING, "lr_orth"),
    **_JOINT,
    **rmsprop("NN L", 2e-4, 0.99),
    "hidden_size": (128, "NN L"),
}
_ADDING_IRNN: Preset = {
    **dense.ADDING_IRNN,
    "forget_bias": (1.0, "IRNN, best LSTM at T = 150; 4 at 200 and 300, 10 at 400"),
    "clip_norm": (10.0, "IRNN, best LSTM at T = 150; norm or value is not stated"),
    "w_init": ("glorot-normal", "IRNN does not say"),
    "bias_init": ("zero", "IRNN: the forget gate alone has one"),
}
_PIXEL: Preset = {
    **dense.PERMUTED,
    **_JOINT,
    **rmsprop("NN R; S: 0.9", 5e-4, 0.99),
    "hidden_size": (512, "NN S; also 257"),
}
_PTB: Preset = {
    **text.PTB,
    **_JOINT,
    **rmsprop("NN S", 1e-3, 0.99),
    "hidden_size": (475, "NN S: 1.41 bits per character (ndminhkhoi46/asRNN); also 1024 with 0.008"),
}
_QUICKER = "ours: the protocol of NN has 264 updates an epoch; four times as many, with a rate that falls to 0"
_FASTER: Preset = {
    **without(text.PTB, "schedule_patience", "schedule_gamma"),
    **_JOINT,
    "hidden_size": (475, "NN S"),
    "batch_size": (32, _QUICKER),
    "optimizer": ("adam", _QUICKER),
    "lr": (2e-3, _QUICKER),
    "clip_norm": (1.0, _QUICKER),
    "schedule": ("cosine", _QUICKER),
    "epochs": (12, "under an hour on two cores"),
}
_BIASES: Preset = {
    "recurrent_init": ("uniform-0.08", "KA and CH: every parameter"),
    "two_biases": (True, "KA and CH"),
}
_KA: Preset = {
    **text.CHAR_RNN,
    **_BIASES,
    "forget_bias": (1.0, "KA: the bias of the input side; the other is drawn"),
}
_CH: Preset = {**text.CHAINER, **_BIASES}
_RRN: Preset = {**_CH, "steps": (446, "RRN: one epoch"), "epochs": (0, "RRN: one epoch")}


def _read(how: str, source: str) -> Preset:
    return {**_RRN, "reading": (how, source)}


TABLE: Table = {
    ("lstm", "copy"): {"laptop": _COPY, "paper": _COPY},
    ("lstm", "adding"): {"laptop": _ADDING_IRNN, "paper": _ADDING, "irnn": _ADDING_IRNN},
    ("lstm", "pmnist"): {
        "laptop": {**_PIXEL, "epochs": (1, "minutes on two cores; the rest as published")},
        "paper": _PIXEL,
    },
    ("lstm", "charlm"): {
        "laptop": text.LAPTOP,
        "paper": _PTB,
        "ptb": _FASTER,
        "paper-300": {**_PTB, **text.LONG, **rmsprop("NN S", 3e-3, 0.99)},
        "char-rnn": _KA,
        "chainer": _CH,
        "rrn": _RRN,
    },
    ("gru", "charlm"): {
        "laptop": text.LAPTOP,
        "char-rnn": {
            **text.CHAR_RNN,
            "recurrent_init": ("uniform-0.08", "KA: every parameter"),
            "reset": ("before", "KA"),
            "update": ("new", "KA"),
        },
    },
    ("rrn", "charlm"): {
        "laptop": _read("published", "of the readings of RRN the one that gives its figures"),
        "paper": _read("published", "of the readings of RRN the one that gives its figures"),
        "stacked": _read("stacked", "seven nodes: a reading of RRN that does not give its figures"),
        "identity": _read("identity", "the plain skip, for comparison"),
    },
}
