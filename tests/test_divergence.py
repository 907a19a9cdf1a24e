"""NaN and infinity stop training in the update that makes them, by name, and reach no checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeData, FakeModel, FakeOptimizer, run_of
from watching import Recorder, newest, rows

from npr.context import Backward, Forward
from npr.errors import DivergedError
from npr.losses import cross_entropy
from npr.tasks.base import Batch
from npr.training import fit
from npr.training.guard import check_gradients, check_loss, check_parameters, check_state

BAD_STEP = 7


@dataclasses.dataclass
class Counter:
    """True from its `BAD_STEP`-th call on."""

    calls: int = 0

    def now(self) -> bool:
        self.calls += 1
        return self.calls >= BAD_STEP


@dataclasses.dataclass(frozen=True)
class BadModel(FakeModel):
    """Breaks one array in update BAD_STEP."""

    where: str = ""
    value: float = float("nan")
    counter: Counter = dataclasses.field(default_factory=Counter)

    def forward(self, ctx: Any, params: Any, buffers: Any, *rest: Any, **options: Any) -> Forward:
        done = super().forward(ctx, params, buffers, *rest, **options)
        if ctx.dropout and self.where in ("output", "buffer") and self.counter.now():
            target = done.output if self.where == "output" else done.buffers["norm.mean"]
            target.flat[2] = self.value
        return done

    def backward(self, ctx: Any, params: Any, *rest: Any, **options: Any) -> Backward:
        done = super().backward(ctx, params, *rest, **options)
        if self.where == "gradient" and self.counter.now():
            done.params["layer.u"][1] = self.value
        return done

    def project(self, params: Any, buffers: Any) -> Any:
        if self.where == "parameter" and self.counter.now():
            params["readout.W"][0, 3] = self.value
        return super().project(params, buffers)


@dataclasses.dataclass(frozen=True)
class BadOptimizer(FakeOptimizer):
    """Breaks a moment in update BAD_STEP, and no parameter before the next."""

    value: float = float("nan")
    counter: Counter = dataclasses.field(default_factory=Counter)

    def update(self, *arguments: Any) -> Any:
        done = super().update(*arguments)
        if self.counter.now():
            done.moments["second"][4] = self.value
        return done


@dataclasses.dataclass
class BadData(FakeData):
    """Gives a bad input in update BAD_STEP."""

    value: float = float("nan")
    counter: Counter = dataclasses.field(default_factory=Counter)

    def batch(self, split: str, rows: Any, dtype: Any) -> Batch:
        done = super().batch(split, rows, dtype)
        if split == "train" and self.counter.now():
            done.x[3, 1, 2] = self.value
        return done


def bad_loss(value: float) -> Callable[..., tuple[float, np.ndarray]]:
    counter = Counter()

    def loss(output: np.ndarray, target: np.ndarray, weight: Any = None) -> tuple[float, np.ndarray]:
        found, d_output = cross_entropy(output, target, weight)
        return (value if counter.now() else found), d_output

    return loss


CASES: dict[str, tuple[Callable[[float], dict[str, Any]], str]] = {
    "input": (lambda value: {"dataset": BadData(value=value)}, r"input x is .* at \[3, 1, 2\]"),
    "output": (lambda value: {"model": BadModel(where="output", value=value)}, r"output is .* at \[0, 2\]"),
    "loss": (lambda value: {"loss": bad_loss(value)}, "loss is"),
    "gradient": (
        lambda value: {"model": BadModel(where="gradient", value=value)},
        r"gradient of 'layer\.u' is .* \[1\]",
    ),
    "parameter": (
        lambda value: {"model": BadModel(where="parameter", value=value)},
        r"parameter 'readout\.W' .* \[0, 3\]",
    ),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", CASES)
def test_training_stops_in_the_update_that_diverged(tmp_path: Path, where: str, value: float) -> None:
    chosen, made = run_of("plain", eval_every=99)
    replaced, message = CASES[where]
    watcher = Recorder()
    with pytest.raises(DivergedError, match=f"update {BAD_STEP}: {message}") as caught, np.errstate(all="ignore"):
        fit(chosen, watcher, tmp_path, made._replace(**replaced(value)))
    assert caught.value.exit_code == 6
    assert (len(watcher.steps), watcher.saved, newest(tmp_path).step) == (BAD_STEP - 1, [4], 4)
    assert [row["step"] for row in rows(tmp_path)] == [3, 6]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_moment_reaches_no_checkpoint(tmp_path: Path, value: float) -> None:
    chosen, made = run_of("plain", eval_every=99)
    with pytest.raises(DivergedError, match=r"(moment 'second'|parameter) .*|gradient") as caught:
        fit(chosen, run=tmp_path, parts=made._replace(optimizer=BadOptimizer(value=value)))
    assert newest(tmp_path).step == 4
    assert "Nothing of it was saved" in caught.value.__notes__[0]


def test_bad_statistics_reach_no_checkpoint(tmp_path: Path) -> None:
    chosen, made = run_of("plain", eval_every=99)
    with pytest.raises(DivergedError, match=r"update 8: buffer 'norm\.mean' is nan at \[2\]"):
        fit(chosen, run=tmp_path, parts=made._replace(model=BadModel(where="buffer")))
    assert newest(tmp_path).step == 4


def test_a_bad_validation_is_named_and_selects_nothing(tmp_path: Path) -> None:
    data = FakeData()
    data.x["validation"][2, 1] = np.nan
    chosen, made = run_of("plain")
    with pytest.raises(DivergedError, match="validation loss is nan"):
        fit(chosen, run=tmp_path, parts=made._replace(dataset=data))
    assert newest(tmp_path).state["best"] is None


def test_large_finite_parameters_are_no_divergence() -> None:
    model = FakeModel()
    params, buffers = model.init(np.random.default_rng(0))
    params["layer.W"][...] = 1e30
    state = FakeOptimizer().init(params)
    check_parameters(1, params, state)
    check_state(1, params, buffers, state)


def test_finite_figures_pass() -> None:
    model = FakeModel()
    params, _ = model.init(np.random.default_rng(0))
    batch = FakeData().batch("train", [0, 1], np.float32)
    check_loss(1, 0.5, batch, params, Forward(batch.x, (), {}, None))
    check_gradients(1, 0.5, params)
