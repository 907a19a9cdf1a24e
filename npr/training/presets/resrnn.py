"""Settings of ResRNN. RES stands for DoxasticFox/res-rnn: its README, and its script pmnist.py."""

from __future__ import annotations

from npr.training.presets.table import Preset, Table

_PAPER: Preset = {
    "hidden_size": (200, "RES: models/mnist-1-200-10.98.78.pt"),
    "linearity": (0.99999, "RES"),
    "loss": ("smooth-l1", "RES: SmoothL1Loss against one-hot vectors"),
    "batch_size": (100, "RES"),
    "epochs": (10000, "RES: an upper limit"),
    "optimizer": ("sgd", "RES"),
    "momentum": (0.9, "RES"),
    "lr": (1e5, "RES README; pmnist.py has 1e4, and which of the two made the published files is not recorded"),
    "clip_norm": (1e-4, "RES: clip_grad_norm_"),
    "pixels": ("unit", "RES: p / 255, not normalised"),
    "split": ("tail:5000", "5,000 to select; RES trains on all 60,000 and selects on the test images"),
    "eval_every": (0, "RES: once per epoch"),
    "log_every": (50, "eleven rows an epoch"),
}
_ROWS: Preset = {"permutation": ("none", "sequential MNIST")}
_PERMUTED: Preset = {"permutation": ("torch:0", "RES pmnist.py: manual_seed(0), then randperm(784)")}

TABLE: Table = {
    ("resrnn", "smnist"): {"laptop": {**_PAPER, **_ROWS}, "paper": {**_PAPER, **_ROWS}},
    ("resrnn", "pmnist"): {
        "paper": {**_PAPER, **_PERMUTED, "hidden_size": (1000, "RES pmnist-test-1000.py")},
        "paper-4000": {**_PAPER, **_PERMUTED, "hidden_size": (4000, "RES README; 15 TFLOP an update")},
    },
}
