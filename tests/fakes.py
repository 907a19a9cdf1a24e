"""A small network, optimiser and data set in plain NumPy: training without a compiler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from npr.backends import get_backend
from npr.context import Backward, Context, Forward
from npr.losses import cross_entropy
from npr.optimizers import OptState
from npr.params import Array, Buffers, Params, flat_of, pack
from npr.registry import schedules
from npr.tasks.base import Batch
from npr.training import Config, resolve
from npr.training.parts import Parts

TIMES, FEATURES, UNITS, CLASSES = 5, 3, 6, 4
EPS = 1e-5


@dataclass(frozen=True)
class FakeModel:
    """Mean over time, a linear map, batch norm, dropout, a readout: all that a run has to remember."""

    dropout: float = 0.2
    momentum: float = 0.1
    input_size: int = FEATURES
    output_size: int = CLASSES
    seq_len: int = TIMES

    def init(self, rng: np.random.Generator, dtype: Any = np.float32) -> tuple[Params, Buffers]:
        shapes = {"layer.W": (FEATURES, UNITS), "layer.u": (UNITS,), "readout.W": (UNITS, CLASSES)}
        params = pack({name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}, dtype)
        return params, {"norm.mean": np.zeros(UNITS), "norm.var": np.ones(UNITS)}

    def forward(
        self, ctx: Context, params: Params, buffers: Buffers, x: Array, state: Any = None, lengths: Any = None
    ) -> Forward:
        mean_x = x.mean(axis=0)
        z = mean_x @ params["layer.W"]
        batch = {"norm.mean": z.mean(axis=0), "norm.var": z.var(axis=0)}
        used = batch if ctx.norm == "batch" else buffers
        scale = 1 / np.sqrt(used["norm.var"] + EPS)
        hat = (z - used["norm.mean"]) * scale
        mask = np.ones(hat.shape)
        if ctx.dropout:
            assert ctx.rng is not None
            mask = (ctx.rng.random(hat.shape) >= self.dropout) / (1 - self.dropout)
        hidden = (hat * params["layer.u"] * mask).astype(x.dtype)
        weight = self.momentum if ctx.norm_weight is None else ctx.norm_weight
        if ctx.norm == "batch":
            buffers = {name: (1 - weight) * old + weight * batch[name] for name, old in buffers.items()}
        return Forward(hidden @ params["readout.W"], (hidden,), buffers, (mean_x, scale, hat, mask, hidden))

    def backward(
        self, ctx: Context, params: Params, cache: Any, d_output: Array, d_state: Any = None, input_gradient=True
    ) -> Backward:
        mean_x, scale, hat, mask, hidden = cache
        d_hidden = d_output @ params["readout.W"].T * mask
        q = d_hidden * params["layer.u"]
        d_z = (q - q.mean(axis=0) - hat * (q * hat).mean(axis=0)) * scale
        grads = {"layer.W": mean_x.T @ d_z, "layer.u": (d_hidden * hat).sum(axis=0)}
        return Backward(pack(grads | {"readout.W": hidden.T @ d_output}, d_output.dtype), None, ())

    def project(self, params: Params, buffers: Buffers) -> Buffers:
        np.clip(params["layer.u"], -1, 1, out=params["layer.u"])
        return buffers

    def orthogonal(self, name: str) -> bool:
        return False

    def penalty(self, params: Params) -> tuple[float, Params]:
        return 0.0, {}

    def decays(self, name: str) -> bool:
        return not name.endswith("u")


@dataclass(frozen=True)
class FakeOptimizer:
    """Momentum with a running mean of squares, whose bias correction needs the step."""

    lr: float = 0.02

    def init(self, params: Params, orthogonal: Any = None) -> OptState:
        flat = flat_of(params)
        return OptState(0, {"first": np.zeros_like(flat), "second": np.zeros_like(flat)})

    def clip(self, grads: Params) -> float:
        return float(np.linalg.norm(flat_of(grads).astype(np.float64)))

    def update(self, params: Params, grads: Params, state: OptState, factor: float = 1.0, *groups: Any) -> OptState:
        p, g, step = flat_of(params), flat_of(grads), state.step + 1
        first, second = state.moments["first"], state.moments["second"]
        first[...] = 0.9 * first + 0.1 * g
        second[...] = 0.99 * second + 0.01 * g * g
        p -= (self.lr * factor * first / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)).astype(p.dtype)
        return OptState(step, state.moments)


@dataclass
class FakeStream:
    """Examples in an order drawn anew for every epoch; batches run across the end of one."""

    data: FakeData
    batch_size: int
    seed: int
    dtype: Any
    drawn: int = 0

    def next(self) -> Batch:
        count = len(self.data.labels["train"])
        places = range(self.drawn, self.drawn + self.batch_size)
        rows = [np.random.default_rng([self.seed, i // count]).permutation(count)[i % count] for i in places]
        self.drawn += self.batch_size
        return self.data.batch("train", rows, self.dtype)

    def state(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        self.drawn = state["drawn"]


@dataclass
class FakeData:
    """Gaussian sequences whose class follows from their mean; `read` lists the splits in the order of use."""

    sizes: dict[str, int] = field(default_factory=lambda: {"train": 24, "validation": 10, "test": 9})
    read: list[str] = field(default_factory=list)
    name: str = "fake"
    notice: str = ""

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        rule = rng.normal(size=(FEATURES, CLASSES))
        self.x = {split: rng.normal(size=(TIMES, n, FEATURES)) for split, n in self.sizes.items()}
        self.labels = {split: (x.mean(axis=0) @ rule).argmax(axis=1) for split, x in self.x.items()}
        self.provenance = {"source": "drawn", "seed": 7}

    def batch(self, split: str, rows: Any, dtype: Any) -> Batch:
        return Batch(np.ascontiguousarray(self.x[split][:, rows], dtype), self.labels[split][rows])

    def train_stream(self, batch_size: int, seed: int, dtype: Any = np.float32) -> FakeStream:
        return FakeStream(self, batch_size, seed, dtype)

    def batches(self, split: str, batch_size: int, dtype: Any = np.float32) -> Iterator[Batch]:
        self.read.append(split)
        count = self.sizes[split]
        for start in range(0, count, batch_size):
            yield self.batch(split, np.arange(start, min(start + batch_size, count)), dtype)

    def updates_per_epoch(self, batch_size: int) -> int:
        return -(-self.sizes["train"] // batch_size)


def config(**flags: Any) -> Config:
    """A short run; the model and task it names are not used."""
    common = {"preset": "none", "batch_size": 5, "steps": 20, "eval_every": 6, "checkpoint_every": 4}
    return resolve({**common, "log_every": 3, **flags})


def parts(chosen: Config, **replaced: Any) -> Parts:
    """Parts of a run on fakes."""
    names = chosen.train
    made = {
        "train": names,
        "model": FakeModel(),
        "dataset": FakeData(),
        "optimizer": FakeOptimizer(),
        "schedule": schedules.get(names.schedule)(**chosen.parts["schedule"]),
        "loss": cross_entropy,
        "backend": get_backend("cpu"),
    }
    return Parts(**{**made, **replaced})


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "re-estimated statistics": {"reestimate": 3},
    "both statistics": {"eval_norm": "both", "log_every": 4},
    "patience": {"schedule": "patience", "eval_every": 1, "schedule_patience": 0, "schedule_minimum": 0.0},
    "one-cycle in float64": {"schedule": "one-cycle", "dtype": "float64"},
    "rows and validations apart": {"eval_every": 4, "log_every": 7, "checkpoint_every": 0},
}


def run_of(variant: str, **flags: Any) -> tuple[Config, Parts]:
    chosen = config(**{**VARIANTS[variant], **flags})
    return chosen, parts(chosen)
