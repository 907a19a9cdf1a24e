"""Settings of character models.

NN stands for arXiv 1905.12080 and nnRNN/nnRNN_release (L its language_task.py, R its README, S its supplement), KA for
karpathy/char-rnn, CH for yusuketomoto/chainer-char-rnn, TH for Sunnydreamrain/IndRNN_Theano_Lasagne, PT for
Sunnydreamrain/IndRNN_pytorch.

KA and CH take the gradient of the loss summed over the 50 steps of a chunk, npr that of the mean. Dividing the
gradient by 50 is the same to RMSprop as dividing eps by 50, and a bound of 5 on the gradient becomes 5 / 50.
"""

from __future__ import annotations

from npr.training.presets.table import Preset, Table, rmsprop, without

_SUMMED = "5 on the gradient of the sum over 50 steps"


def _rates(lr: float, orth: float = 0.0, alpha: float = 0.9, source: str = "NN R") -> Preset:
    """As `rmsprop`, mostly with 0.9 and of the README."""
    return rmsprop(source, lr, alpha, orth)


def _adam(lr: float, orth: float, clip: float, t_decay: float) -> Preset:
    """What the README gives for nnRNN."""
    return {
        "optimizer": ("adam", "NN R"),
        "beta1": (0.0, "NN R"),
        "beta2": (0.9, "NN R"),
        "lr": (lr, "NN R"),
        "lr_orth": (orth, "NN R"),
        "clip_norm": (clip, "NN R; no published revision clips, and norm or value is not said"),
        "gamma_penalty": (1e-4, "NN R: delta"),
        "decay_by_prefix": ({"layers.*.recurrent.T": t_decay}, "NN R: T decay"),
        "skew_init": ("cayley", "NN R"),
    }


PTB: Preset = {
    "data": ("ptb", "NN"),
    "split": ("auto", "the three files of the set"),
    "lines": ("words", "NN L: spaces are symbols, lines end with <eos>"),
    "order": ("appearance", "NN L"),
    "layout": ("columns", "NN L: batchify"),
    "epoch_state": ("reset", "NN L"),
    "seq_len": (150, "NN L: bptt; also 300"),
    "batch_size": (128, "NN L"),
    "eval_batch_size": (10, "NN L"),
    "embedding_size": (200, "NN L: emsize"),
    "embedding_init": ("uniform-0.1", "NN L"),
    "tied": (False, "NN L"),
    "readout_init": ("uniform-0.1", "NN L: decoder"),
    "w_init": ("kaiming-normal", "NN L: iinit kaiming"),
    "epochs": (100, "NN L"),
    "schedule": ("plateau", "NN L: both rates halved after an epoch whose validation is not better"),
    "schedule_patience": (0, "NN L"),
    "schedule_gamma": (0.5, "NN L"),
    "hidden_size": (1024, "NN R"),
}
_ZERO: Preset = {"bias_init": ("zero", "NN L: decoder; the bias of the recurrence starts alike")}
_MODRELU: Preset = {"activation": ("modrelu", "NN S A.1: every network without gates")}
LONG: Preset = {"seq_len": (300, "NN R")}
_RNN: Preset = {**PTB, **_ZERO, **_MODRELU, **_rates(1e-5)}
_ORTH: Preset = {**PTB, **_ZERO, **_MODRELU, **_rates(1e-4), "recurrent_init": ("cayley", "NN R; S: random")}
_EXP: Preset = {
    **PTB,
    **_ZERO,
    **_rates(1e-3, 1e-4, source="NN R; its orthogonal rate is blank: that of S. 1386 units: 0.008 and 0.0008"),
    "skew_init": ("cayley", "NN R"),
}
_NN: Preset = {**PTB, **_ZERO, **_adam(2e-3, 2e-4, 10.0, 1e-5)}
_NN_LONG: Preset = {**PTB, **_ZERO, **LONG, **_adam(2e-3, 2e-4, 5.0, 1e-6)}
_EU: Preset = {
    **PTB,
    **_rates(1e-3),
    "w_init": ("uniform-0.01", "jingli9111/EUNN-tensorflow eunn.py"),
    "rmsprop_form": ("tf1", "jingli9111/EUNN-tensorflow; NN does not say which code it used"),
    "capacity": (4, "default of jingli9111/EUNN-tensorflow; NN does not say"),
}
# Statistics of every step apart, in front of the recurrence: its states are carried from chunk to chunk.
_STEPS: Preset = {
    "norm": ("step", "TH and PT on texts"),
    "norm_position": ("before", "PT: states carry over between chunks"),
    "norm_steps": (50, "as seq_len"),
}
_IND: Preset = {
    **_STEPS,
    "data": ("ptb", "TH"),
    "lines": ("words", "as NN: the usual 50 symbols"),
    "order": ("appearance", "no matter"),
    "layout": ("columns", "TH: contiguous rows"),
    "seq_len": (50, "TH; also 150"),
    "batch_size": (128, "TH"),
    "layers": (6, "TH: 1.26 bits per character, 1.23 at 150 steps"),
    "hidden_size": (2000, "TH"),
    "dropout": (0.25, "TH"),
    "optimizer": ("adam", "TH"),
    "lr": (2e-4, "TH"),
    "weight_decay": (1e-4, "TH: PTB, not on u"),
    "decay": ("coupled", "TH"),
    "schedule": ("patience", "TH"),
    "schedule_patience": (20, "TH"),
    "schedule_gamma": (0.2, "TH"),
    "schedule_minimum": (0.005, "TH: stops below 1e-6, a share of 0.005 of 2e-4"),
    "epochs": (1000, "an upper limit: the schedule ends training"),
    "u_max": (1.0, "TH: 2^(1/T); states that are carried on and on outgrow every number at more than 1"),
    "clip_value": (10.0, "the authors' later PTB code"),
}
_PT: Preset = {
    **without(_IND, "layers", "hidden_size", "dropout"),
    "seq_len": (50, "PT draws 50 or 25 and adds noise; here all chunks are alike"),
    "embedding_size": (600, "PT"),
    "embedding_init": ("uniform-0.01", "PT"),
    "tied": (True, "PT"),
    "last_size": (600, "PT: the embedding's, for the tied decoder"),
    "u_max": (0.99, "PT: U_bound of all its scripts"),
    "last_u": ("as-others", "no u below 0.99 keeps a state for long"),
    "schedule_patience": (200, "PT: pThre"),
}
_IND_DENSE: Preset = {
    **_PT,
    "growth": (256, "PT: 1.19 bits per character, 1.18 at 100 steps"),
    "blocks": ("8,6,4", "PT"),
    "first_layer": (False, "PT: the embedding feeds the first block"),
    "dropout": (0.5, "PT"),
    "dropout_sec": (0.1, "PT"),
    "dropout_trans": (0.4, "PT; of its last transition 0.2"),
}
_IND_RESIDUAL: Preset = {
    **_PT,
    "hidden_size": (2000, "PT: 5 blocks; TH, 11 layers: 1.19 bits per character"),
    "blocks": (5, "PT"),
    "dropout": (0.3, "TH"),
}

_SUM: Preset = {
    "batch_size": (50, "KA and CH"),
    "seq_len": (50, "KA and CH"),
    "epochs": (50, "KA and CH"),
    "data": ("tinyshakespeare", "the data set that comes with KA and CH"),
    "optimizer": ("rmsprop", "KA and CH"),
    "lr": (2e-3, "KA and CH"),
    "alpha": (0.95, "KA and CH"),
    "eps": (2e-10, "KA and CH: 1e-8 for the summed loss, here a fiftieth"),
    "schedule": ("step", "KA and CH"),
    "schedule_gamma": (0.97, "KA and CH: per epoch, from the end of the tenth on"),
    "w_init": ("uniform-0.08", "KA and CH: every parameter"),
    "readout_init": ("uniform-0.08", "KA and CH"),
    "bias_init": ("uniform-0.08", "KA and CH"),
}
CHAR_RNN: Preset = {
    **_SUM,
    "symbols": ("bytes", "KA"),
    "order": ("sorted", "KA"),
    "layout": ("wrapped", "KA: 423 + 23 batches of chunks of tinyshakespeare"),
    "split": ("chunks:0.95:0.05", "KA"),
    "epoch_state": ("carry", "KA"),
    "clip_value": (0.1, f"KA: {_SUMMED}, every entry"),
    "schedule_every": (423, "an epoch of tinyshakespeare"),
    "schedule_after": (3807, "nine epochs of tinyshakespeare"),
    "layers": (2, "KA"),
    "hidden_size": (128, "KA"),
    "dropout": (0.0, "KA"),
    "eval_every": (1000, "KA"),
}
CHAINER: Preset = {
    **_SUM,
    "order": ("appearance", "CH"),
    "layout": ("rotating", "CH: 446 updates an epoch of tinyshakespeare"),
    "split": ("none", "CH"),
    "epoch_state": ("carry", "CH"),
    "embedding_size": (50, "CH: rnn_size"),
    "embedding_init": ("uniform-0.08", "CH"),
    "clip_norm": (0.1, f"CH: {_SUMMED}"),
    "schedule_every": (446, "an epoch of tinyshakespeare"),
    "schedule_after": (4014, "nine epochs of tinyshakespeare"),
    "layers": (2, "CH"),
    "hidden_size": (50, "CH"),
    "log_every": (1, "the published table has a row for every update"),
}
_UNIFORM: Preset = {"recurrent_init": ("uniform-0.08", "KA: every parameter")}

_SHORT_MEMORY = "arXiv 1504.00941 section 4.4: 0.01 I; under the identity states that are carried on grow without end"
_OURS = "our choice, not tuned"
LAPTOP: Preset = {
    "data": ("tinyshakespeare", "a megabyte of text that may be downloaded"),
    "layout": ("wrapped", "KA"),
    "split": ("chunks:0.9:0.05", "KA holds out 0.05; ours the same share for a test, too"),
    "epoch_state": ("carry", "KA"),
    "batch_size": (50, "KA"),
    "seq_len": (50, "KA"),
    "steps": (3000, "seven passes"),
    "hidden_size": (256, "a size that two cores train in minutes"),
    "optimizer": ("adam", _OURS),
    "lr": (2e-3, "KA, with another optimiser"),
    "schedule": ("cosine", _OURS),
    "clip_norm": (1.0, _OURS),
    "eval_every": (500, "six validations"),
}
_LAPTOP_ORTH: Preset = {**LAPTOP, "lr_orth": (2e-4, "NN R: a tenth of lr, as for PTB")}
_LAPTOP_IND: Preset = {
    **LAPTOP,
    "layers": (3, "half of TH"),
    "norm": ("time", "as in the other presets of indrnn"),
    "eval_norm": ("running", "a figure that does not depend on the batches"),
    "reestimate": (20, "statistics of a network that changes quickly"),
}
_LAPTOP_RESIDUAL: Preset = {
    **LAPTOP,
    **_STEPS,
    "embedding_size": (128, "half of hidden_size"),
    "tied": (True, "PT"),
    "last_size": (128, "the embedding's, for the tied decoder"),
    "dropout_embedding": (0.05, "PT on words: 0.2; here a row is a letter"),
    "blocks": (2, "five layers and the last"),
    "u_max": (0.99, "PT: U_bound of all its scripts"),
    "last_u": ("as-others", "no u below 0.99 keeps a state for long"),
    "eval_norm": ("running", "a figure that does not depend on the batches"),
    "reestimate": (20, "statistics of a network that changes quickly"),
}


TABLE: Table = {
    ("rnn", "charlm"): {
        "laptop": LAPTOP,
        "paper": _RNN,
        "paper-300": {**_RNN, **LONG},
        "char-rnn": {**CHAR_RNN, **_UNIFORM},
        "chainer": {**CHAINER, **_UNIFORM},
    },
    ("rnn-orth", "charlm"): {"laptop": LAPTOP, "paper": _ORTH, "paper-300": {**_ORTH, **LONG}},
    ("irnn", "charlm"): {"laptop": {**LAPTOP, "recurrent_init": ("scaled-identity", _SHORT_MEMORY)}},
    ("exprnn", "charlm"): {"laptop": _LAPTOP_ORTH, "paper": _EXP, "paper-300": {**_EXP, **LONG}},
    ("scornn", "charlm"): {"laptop": _LAPTOP_ORTH},
    ("nnrnn", "charlm"): {"laptop": _LAPTOP_ORTH, "paper": _NN, "paper-300": _NN_LONG},
    ("eurnn", "charlm"): {"laptop": LAPTOP, "paper": _EU, "paper-300": {**_EU, **LONG}},
    ("indrnn", "charlm"): {"laptop": _LAPTOP_IND, "paper": _IND},
    ("indrnn-residual", "charlm"): {"laptop": _LAPTOP_RESIDUAL, "paper": _IND_RESIDUAL},
    ("indrnn-dense", "charlm"): {"paper": _IND_DENSE},
}
