"""Settings of the IndRNN networks. PT stands for Sunnydreamrain/IndRNN_pytorch, the code of arXiv 1910.06251, TH for
Sunnydreamrain/IndRNN_Theano_Lasagne, that of arXiv 1803.04831, BZ for batzner/indrnn."""

from __future__ import annotations

from npr.training.presets.table import Preset, Table

_RUNS = "PT pixelMNIST, the published runs"
_LOOP = "PT pixelMNIST/Indrnn_mnist_train.py"
_TRIAL = "our trial recipe: 92.8 % on pMNIST after 8,749 updates; the published rate needs ten times as many"

_DEEP = "short trials of equal cost, validation accuracy: 6x128 89.4, 10x128 89.0, 12x96 91.0, 12x64 92.0 %"

_LAPTOP: Preset = {
    "batch_size": (32, "as published"),
    "steps": (12000, "12 minutes for twelve layers of 64 on two cores"),
    "optimizer": ("adam", "as published"),
    "lr": (2e-3, _TRIAL),
    "schedule": ("one-cycle", _TRIAL),
    "schedule_warmup": (0.25, _TRIAL),
    "schedule_start": (0.05, _TRIAL),
    "schedule_end": (0.0, _TRIAL),
    "clip_norm": (5.0, "batzner/indrnn examples/sequential_mnist.py; ten times the usual rate needs it"),
    "weight_decay": (0.0, "one pass in five minutes leaves nothing to regularise"),
    "dropout": (0.0, "as weight_decay"),
    "norm": ("time", "as published"),
    "norm_position": ("after", "as published; converges faster than before"),
    "mag": (2.0, "arXiv 1803.04831 section 5.1; the authors' pixel MNIST code has 5"),
    "pixels": ("signed", "batzner/indrnn"),
    "split": ("tail:5000", "batzner/indrnn: 55,000 to train, 5,000 to select"),
    "eval_every": (3000, "four validations"),
    "eval_norm": ("running", "a figure that does not depend on how the images fall into batches"),
    "reestimate": (100, "running averages lag behind on pMNIST, in PT's logs by more than 5 points at times"),
}

_PAPER: Preset = {
    "batch_size": (32, _RUNS),
    "updates_per_epoch": (1700, f"{_LOOP}: 17 x 100 updates between evaluations"),
    "steps": (0, "in epochs"),
    "epochs": (1000, "an upper limit; the schedule ended the published runs after 327 to 804"),
    "optimizer": ("adam", _LOOP),
    "lr": (2e-4, _RUNS),
    "schedule": ("patience", _LOOP),
    "schedule_patience": (100, "arXiv 1910.06251 section 5.1"),
    "schedule_gamma": (0.1, f"{_LOOP}; the paper divides by 5"),
    "schedule_minimum": (0.005, f"{_LOOP}: stops below 1e-6, a share of 0.005 of 2e-4"),
    "weight_decay": (1e-4, f"{_LOOP}: on weights and gamma of batch norm, not on u and biases"),
    "decay": ("coupled", f"{_LOOP}: torch's Adam"),
    "clip_value": (10.0, f"{_LOOP}: every gradient entry"),
    "clip_norm": (0.0, _LOOP),
    "norm": ("time", "PT utils.py"),
    "norm_position": ("after", _RUNS),
    "norm_momentum": (0.1, "torch.nn.BatchNorm1d"),
    "norm_eps": (1e-5, "torch.nn.BatchNorm1d"),
    "dropout": (0.1, _RUNS),
    "w_init": ("kaiming-uniform-8", "PT, all networks"),
    "readout_init": ("kaiming-normal", "PT, all networks"),
    "u_init": ("uniform", "PT, all networks"),
    "u_bound": ("project", f"{_LOOP}, option constrain_U"),
    "mag": (5.0, "PT pixelMNIST/opts.py; arXiv 1803.04831 says 2"),
    "pixels": ("signed256", _RUNS),
    "split": ("random:3000:1", "57,000 to train, 3,000 to select; PT's own draw has no seed"),
    "eval_every": (0, f"{_LOOP}: once per epoch"),
    "eval_norm": ("batch", "the published column with batch statistics; PT selects by running ones"),
    "reestimate": (0, "PT re-estimates on validation images by mistake; batch statistics need none"),
    "checkpoint_every": (1700, "once per epoch"),
}

_HALF = (64, "published: 128; half the units make almost twice the updates in the same time")
_WIDE = (128, _RUNS)

_PLAIN_PAPER: Preset = {
    "layers": (6, "as published: six recurrent layers, 86,410 parameters"),
    "hidden_size": _WIDE,
    "last_u": ("as-others", "PT Indrnn_plainnet.py tests for a name no parameter has: its rule never fires"),
}
_PLAIN_LAPTOP: Preset = {
    "layers": (12, _DEEP),
    "hidden_size": _HALF,
    "lr_by_prefix": ({"layers.*.u": 0.1}, "u near 1 is the memory: at the full rate every update shakes it"),
}
_RESIDUAL: Preset = {"blocks": (5, "as published: 11 recurrent layers, 170,890 parameters")}
_RESIDUAL_LAPTOP: Preset = {**_RESIDUAL, "hidden_size": _HALF}
_RESIDUAL_PAPER: Preset = {**_RESIDUAL, "hidden_size": _WIDE, "last_u": ("long", "PT Indrnn_residualnet_preact.py")}
_DENSE: Preset = {
    "growth": (16, "as published: 40 recurrent layers, 256,514 parameters"),
    "blocks": ("8,6,4", "as published"),
}
_DENSE_PAPER: Preset = {
    **_DENSE,
    "last_u": ("long", "PT Indrnn_densenet.py"),
    "dropout": (0.2, f"{_RUNS} of the dense network: after each dense layer"),
    "dropout_first": (0.2, "the same"),
    "dropout_sec": (0.1, "the same"),
    "dropout_trans": (0.1, "the same"),
}
_TWICE: Preset = {"steps": (4500, "an update costs about twice one of the plain network; not tuned")}
_ORDER: Preset = {"permutation": ("numpy:92916", "nobody publishes one; PT draws another in every run")}
_ROWS: Preset = {"permutation": ("none", "sequential MNIST")}
_LONGER: Preset = {"schedule_patience": (200, f"{_RUNS}: twice as long for the dense network on pMNIST")}

_ADDING: Preset = {
    "batch_size": (50, "BZ examples/addition_rnn.py; TH has 32"),
    "steps": (60300, "TH adding/adding.py"),
    "optimizer": ("adam", "BZ and TH"),
    "lr": (2e-4, "BZ and TH"),
    "schedule": ("step", "BZ"),
    "schedule_every": (20000, "BZ; TH 20,100"),
    "schedule_gamma": (0.1, "BZ and TH"),
    "layers": (2, "BZ and TH"),
    "hidden_size": (128, "BZ and TH"),
    "norm": ("none", "BZ and TH"),
    "w_init": ("normal-0.001", "BZ and TH"),
    "readout_init": ("glorot-uniform", "BZ and TH"),
    "u_init": ("symmetric", "BZ: layer 1; TH U(0, u_max)"),
    "last_u": ("one", "BZ: layer 2"),
    "mag": (2.0, "arXiv 1803.04831 section 5.1: u_max = 2^(1/T)"),
    "positions": ("halves", "arXiv 1803.04831 section 5.1"),
    "seq_len": (100, "BZ as shipped; published also 500, 1000, 5000"),
    "eval_every": (1000, "fixed sequences, often enough for a curve"),
}
_ADDING_SHORT: Preset = {
    **{key: value for key, value in _ADDING.items() if not key.startswith("schedule")},
    "steps": (3000, "less than a minute on two cores; MSE 0.002 in BZ's plot"),
}

TABLE: Table = {
    ("indrnn", "adding"): {"laptop": _ADDING_SHORT, "paper": _ADDING},
    ("indrnn", "pmnist"): {
        "laptop": {**_LAPTOP, **_PLAIN_LAPTOP, **_ORDER},
        "paper": {**_PAPER, **_PLAIN_PAPER, **_ORDER},
    },
    ("indrnn", "smnist"): {
        "laptop": {**_LAPTOP, **_PLAIN_LAPTOP, **_ROWS},
        "paper": {**_PAPER, **_PLAIN_PAPER, **_ROWS},
    },
    ("indrnn-residual", "pmnist"): {
        "laptop": {**_LAPTOP, **_RESIDUAL_LAPTOP, **_TWICE, **_ORDER},
        "paper": {**_PAPER, **_RESIDUAL_PAPER, **_ORDER},
    },
    ("indrnn-residual", "smnist"): {
        "laptop": {**_LAPTOP, **_RESIDUAL_LAPTOP, **_TWICE, **_ROWS},
        "paper": {**_PAPER, **_RESIDUAL_PAPER, **_ROWS},
    },
    ("indrnn-dense", "pmnist"): {
        "laptop": {**_LAPTOP, **_DENSE, **_TWICE, **_ORDER},
        "paper": {**_PAPER, **_DENSE_PAPER, **_LONGER, **_ORDER},
    },
    ("indrnn-dense", "smnist"): {
        "laptop": {**_LAPTOP, **_DENSE, **_TWICE, **_ROWS},
        "paper": {**_PAPER, **_DENSE_PAPER, **_ROWS},
    },
}
