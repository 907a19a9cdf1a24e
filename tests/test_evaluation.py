"""Figures of a split weigh every example equally; estimating statistics anew touches nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from fakes import CLASSES, FakeData, FakeModel, run_of

from npr.context import Context, Forward
from npr.losses import cross_entropy, mse
from npr.tasks.base import Batch
from npr.training import resolve
from npr.training.evaluation import Stopped, reestimated, score
from npr.training.parts import Parts, Weights, bit_hits, counted, hits, open_parts
from npr.training.seeds import Purpose, generator, stream_seed


def prepared(**flags: Any) -> tuple[Parts, Weights]:
    """Parts, and the weights of a network whose statistics are not the initial ones."""
    _, made = run_of("plain", **flags)
    params, buffers = FakeModel().init(np.random.default_rng(3))
    return made, Weights(params, {"norm.mean": buffers["norm.mean"] + 0.1, "norm.var": buffers["norm.var"] * 2})


def by_hand(made: Parts, weights: Weights, batches: list[Batch], norm: str) -> dict[str, float]:
    """Loss and accuracy from one forward pass per batch, every example counted once."""
    passes = [made.model.forward(Context(None, norm=norm), *weights, batch.x).output for batch in batches]
    output = np.concatenate(passes)
    target = np.concatenate([batch.target for batch in batches])
    hit = np.mean(output.argmax(axis=1) == target)
    return {"loss": cross_entropy(output, target)[0], "accuracy": float(hit)}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("norm", ["running", "batch"])
def test_examples_count_the_same_in_unequal_batches(split: str, norm: str) -> None:
    made, weights = prepared(batch_size=4)
    batches = list(FakeData().batches(split, 4, np.float32))
    assert score(made, weights, split, norm) == pytest.approx(by_hand(made, weights, batches, norm), rel=1e-12)


def test_running_statistics_do_not_depend_on_the_batch_size() -> None:
    found = [score(*prepared(batch_size=size), "test", "running") for size in (2, 9)]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_both_statistics_are_reported_side_by_side() -> None:
    made, weights = prepared()
    one, other = (score(made, weights, "test", norm) for norm in ("running", "batch"))
    assert score(made, weights, "test", "both") == {
        **one,
        "batch_loss": other["loss"],
        "batch_accuracy": other["accuracy"],
    }


def test_an_empty_split_has_no_figures() -> None:
    made, weights = prepared()
    assert (
        score(
            made._replace(dataset=FakeData({"train": 24, "validation": 0, "test": 9})), weights, "validation", "running"
        )
        == {}
    )


def test_a_measurement_can_be_stopped() -> None:
    made, weights = prepared()
    with pytest.raises(Stopped):
        score(made, weights, "test", "running", lambda: True)
    with pytest.raises(Stopped):
        reestimated(made._replace(train=run_of("plain", reestimate=2)[0].train), weights, 5, lambda: True)


class FloatData(FakeData):
    """Targets that are no classes."""

    def batch(self, split: str, rows: Any, dtype: Any) -> Batch:
        found = super().batch(split, rows, dtype)
        return found._replace(target=np.eye(CLASSES)[found.target])


def test_a_task_without_classes_has_only_a_loss() -> None:
    made, weights = prepared()
    found = score(made._replace(dataset=FloatData(), loss=mse, metric="loss", higher=False), weights, "test", "running")
    assert found.keys() == {"loss"}


class PartlyScoredData(FakeData):
    """The first example of each batch does not count for accuracy."""

    def batch(self, split: str, rows: Any, dtype: Any) -> Batch:
        return super().batch(split, rows, dtype)._replace(scored=slice(1, None))


def test_the_accuracy_of_a_split_is_over_what_is_scored() -> None:
    made, weights = prepared(batch_size=4)
    batches = list(FakeData().batches("test", 4, np.float32))
    others = [Batch(batch.x[:, 1:], batch.target[1:]) for batch in batches[:2]]
    found = score(made._replace(dataset=PartlyScoredData()), weights, "test", "running")
    assert found["accuracy"] == by_hand(made, weights, others, "running")["accuracy"] > 0
    assert found["loss"] == pytest.approx(by_hand(made, weights, batches, "running")["loss"], rel=1e-12)


def test_accuracy_counts_scored_entries_and_the_loss_all() -> None:
    output, target = np.eye(3)[[[0, 1], [1, 1], [2, 0]]], np.array([[1, 1], [1, 2], [2, 0]])
    lengths = np.array([2, 3])
    batch = Batch(np.zeros((3, 2, 1)), target, scored=slice(1, None))
    cut = batch._replace(lengths=lengths)
    assert hits(batch, output, None) == (3, 4)
    assert hits(cut, output, counted(cut, output)) == (2, 3)
    assert hits(batch._replace(scored=slice(None)), output, None) == (4, 6)
    assert hits(batch._replace(target=target.astype(float)), output, None) == (0, 0)


def test_a_target_of_bits_is_hit_if_all_of_them_are() -> None:
    # Outputs (3, 2, 2): by position 2, 1; 0, 2; 1, 2 bits are right, where 1/2 itself stands for 0.
    target = np.array([[[1, 0], [1, 1]], [[0, 0], [1, 0]], [[1, 1], [0, 1]]], bool)
    output = np.array([[[0.51, 0.5], [0.4, 0.9]], [[2.0, 0.6], [1.5, -3.0]], [[0.2, 3.0], [-1.0, 0.6]]])
    batch = Batch(np.zeros((3, 2, 1)), target)
    assert (hits(batch, output, None), bit_hits(batch, output, None)) == ((3, 6), (8, 12))
    cut = batch._replace(lengths=np.array([2, 3]), mask=np.array([[True, True], [True, False], [True, True]]))
    weight = counted(cut, output)
    assert (hits(cut, output, weight), bit_hits(cut, output, weight)) == ((2, 4), (5, 8))
    later = batch._replace(scored=slice(1, None))
    assert (hits(later, output, None), bit_hits(later, output, None)) == ((2, 4), (5, 8))
    assert bit_hits(batch._replace(target=target.astype(float)), output, None) == (0, 0)
    with pytest.raises(ValueError, match=r"wanted bool \(3, 2, 2\)"):
        hits(batch._replace(target=target[:, :1]), output, None)


def test_new_statistics_are_the_mean_over_the_batches() -> None:
    made, weights = prepared(reestimate=3)
    stream = FakeData().train_stream(5, stream_seed(1, Purpose.REESTIMATION, 40), np.float32)
    context = Context(None, norm="batch", norm_weight=1.0)
    single = [made.model.forward(context, *weights, stream.next().x).buffers for _ in range(3)]
    found = reestimated(made, weights, 40)
    for name, value in found.items():
        np.testing.assert_allclose(value, np.mean([buffers[name] for buffers in single], axis=0), rtol=1e-5)


@dataclasses.dataclass(frozen=True)
class WatchedModel(FakeModel):
    """Keeps the context of every forward pass."""

    seen: list[Context] = dataclasses.field(default_factory=list)

    def forward(self, ctx: Context, *rest: Any, **options: Any) -> Forward:
        self.seen.append(ctx)
        return super().forward(ctx, *rest, **options)


def test_new_statistics_are_of_batches_without_dropout() -> None:
    made, weights = prepared(reestimate=3)
    model = WatchedModel()
    reestimated(made._replace(model=model), weights, 40)
    assert [(ctx.norm, ctx.dropout, ctx.norm_weight) for ctx in model.seen] == [
        ("batch", False, 1.0),
        ("batch", False, 1 / 2),
        ("batch", False, 1 / 3),
    ]


def test_a_measurement_draws_no_dropout_and_updates_no_statistics() -> None:
    made, weights = prepared(batch_size=9)
    model = WatchedModel()
    score(made._replace(model=model), weights, "test", "both")
    assert [(ctx.norm, ctx.dropout, ctx.norm_weight) for ctx in model.seen] == [
        ("running", False, 0.0),
        ("batch", False, 0.0),
    ]


def test_new_statistics_leave_the_old_ones_alone() -> None:
    made, weights = prepared(reestimate=3)
    before = weights.copy()
    reestimated(made, weights, 40)
    for name, value in before.buffers.items():
        np.testing.assert_array_equal(weights.buffers[name], value)


def test_without_reestimation_the_statistics_are_copied() -> None:
    made, weights = prepared()
    found = reestimated(made, weights, 40)
    assert found["norm.mean"] is not weights.buffers["norm.mean"]
    np.testing.assert_array_equal(found["norm.mean"], weights.buffers["norm.mean"])


@pytest.mark.parametrize("axes", [2, 3])
def test_steps_after_the_end_of_a_sequence_do_not_count(axes: int) -> None:
    batch = Batch(np.zeros((4, 2, 1)), np.zeros((4, 2), np.int64), np.array([1, 3]))
    found = counted(batch, np.zeros((4, 2, 5)[-axes:]))
    wanted = None if axes == 2 else [[1, 1], [0, 1], [0, 1], [0, 0]]
    assert (found if found is None else found.tolist()) == wanted


def test_every_purpose_has_random_numbers_of_its_own() -> None:
    drawn = {generator(seed, purpose).random() for seed in (1, 2) for purpose in Purpose}
    assert len(drawn) == 2 * len(Purpose)


def test_the_seed_of_a_stream_depends_on_seed_purpose_and_step() -> None:
    seeds = {stream_seed(seed, purpose, step) for seed in (1, 2) for purpose in Purpose for step in (0, 1)}
    assert len(seeds) == 4 * len(Purpose)
    assert all(0 <= seed < 2**64 for seed in seeds)


@pytest.mark.parametrize("model", ["exprnn", "scornn", "nnrnn"])
def test_the_recurrent_matrix_is_made_once_and_changes_no_bit(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"preset": "none", "hidden_size": 6, "batch_size": 4, "delay": 5, "validation_size": 12, "test_size": 0}
    parts = open_parts(resolve({"model": model, "task": "copy", **sizes}), lambda line: None)
    weights = Weights(*parts.model.init(np.random.default_rng(3)))
    passes = [
        parts.model.forward(parts.context(norm="running"), *weights, batch.x).output
        for batch in parts.dataset.batches("validation", 4)
    ]
    targets = [batch.target for batch in parts.dataset.batches("validation", 4)]
    wanted = [parts.loss(output, target)[0] for output, target in zip(passes, targets, strict=True)]
    kind, made = type(parts.model.parametrization()), []
    forward = kind.forward
    monkeypatch.setattr(kind, "forward", lambda *given: (made.append(1), forward(*given))[1])
    assert score(parts, weights, "validation", "running")["loss"] == pytest.approx(np.mean(wanted), rel=1e-15)
    assert len(made) == 1
