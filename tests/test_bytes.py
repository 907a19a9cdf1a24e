"""The task bytes: lines as bits, what is wanted of them, and the loss of a constant answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from byte_texts import LINES, opened, own_places, said, whole
from fakes import run_of

from npr.context import Forward
from npr.losses import mse, smooth_l1
from npr.tasks.byte_batches import BITS
from npr.tasks.bytes import Bytes
from npr.training.evaluation import score
from npr.training.parts import Weights, counted

__all__ = ["own_places"]
LOSSES = {"smooth-l1": smooth_l1, "mse": mse}


def test_the_most_significant_bit_comes_first() -> None:
    assert ["".join(map(str, row.astype(int))) for row in BITS] == [f"{byte:08b}" for byte in range(256)]
    batch = whole(opened(b"a", split="none"))
    assert batch.x[0, 0].tolist() == [0, 1, 1, 0, 0, 0, 0, 1]


def test_the_next_byte_of_a_tiny_text() -> None:
    batch = whole(opened(b"abc\n\nd\r\nef", split="none"))
    assert said(batch.x) == [b"abc\0", b"d\0\0\0", b"ef\0\0"]
    assert said(batch.target) == [b"bc\0\0", b"\0\0\0\0", b"f\0\0\0"]
    assert batch.lengths is not None
    assert batch.mask is not None
    assert batch.lengths.tolist() == [4, 2, 3]
    assert batch.mask.T.astype(int).tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]
    assert batch.chunk is None


@pytest.mark.parametrize(("reverse", "read"), [(True, [b"cba\0", b"d\0"]), (False, [b"abc\0", b"d\0"])])
def test_the_whole_of_a_tiny_text_again(reverse: bool, read: list[bytes]) -> None:
    batch = whole(opened(b"abc\nd\n", split="none", objective="autoencode", reverse=reverse))
    assert said(batch.x) == [read[0] + b"\0\0\0\0", read[1] + b"\0\0\0\0\0\0"]
    assert said(batch.target) == [b"\0\0\0\0abc\0", b"\0\0d\0\0\0\0\0"]
    assert batch.lengths is not None
    assert batch.mask is not None
    assert batch.lengths.tolist() == [8, 4]
    # The mask goes on after an end, where lengths say that nothing counts.
    assert counted(batch, batch.x).T.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("objective", ["next", "autoencode"])
def test_the_form_of_a_batch(objective: str, dtype: type) -> None:
    batch = opened(LINES, objective=objective).train_stream(5, 1, dtype).next()
    assert batch.lengths is not None
    assert batch.x.shape == batch.target.shape == (batch.lengths.max(), 5, 8)
    assert (batch.x.dtype, batch.target.dtype, batch.lengths.dtype) == (dtype, bool, np.int64)
    assert batch.x.flags.c_contiguous
    assert batch.lengths.max() <= Bytes(objective=objective, max_bytes=11).seq_len


class _Knows:
    """A model that answers right, from its inputs alone, with noise that leaves every bit on its side."""

    def __init__(self, objective: str, reverse: bool) -> None:
        self._objective, self._reverse = objective, reverse

    def forward(self, ctx: Any, params: Any, buffers: Any, x: np.ndarray, state: Any = None, lengths: Any = None):
        output = np.zeros_like(x)
        for b, length in enumerate(lengths):
            half = length // 2
            if self._objective == "next":
                output[: length - 1, b] = x[1:length, b]
            elif self._reverse:
                output[half : length - 1, b] = x[: half - 1, b][::-1]
            else:
                output[half:length, b] = x[:half, b]
        return Forward(np.where(output > 0, 0.51, 0.5), (), buffers, None)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize(("objective", "reverse"), [("next", True), ("autoencode", True), ("autoencode", False)])
def test_every_byte_that_counts_can_be_had_from_the_inputs(objective: str, reverse: bool, batch_size: int) -> None:
    dataset = opened(LINES, objective=objective, reverse=reverse)
    _, parts = run_of("plain", batch_size=batch_size)
    parts = parts._replace(dataset=dataset, model=_Knows(objective, reverse), loss=mse, metric="loss", higher=False)
    found = score(parts, Weights({}, {}), "train", "running")
    assert (found["accuracy"], found["bit_accuracy"]) == (1, 1)
    spoken = "".join(line + "\0" for line in LINES[:36]).encode()
    if objective == "next":
        spoken = b"".join((line + "\0").encode()[1:] for line in LINES[:36])
    ones = sum(byte.bit_count() for byte in spoken) / (8 * len(spoken))
    assert found["loss"] == pytest.approx(ones * 0.49**2 + (1 - ones) * 0.5**2, rel=1e-6)


@pytest.mark.parametrize("objective", ["next", "autoencode"])
@pytest.mark.parametrize("loss", ["smooth-l1", "mse"])
def test_the_baseline_is_the_loss_of_the_best_constant_output(objective: str, loss: str) -> None:
    dataset = opened(LINES, objective=objective, loss=loss)
    first = 1 if objective == "next" else 0
    wanted = b"".join((line + "\0").encode()[first:] for line in LINES[:36])
    means = np.array([sum(byte >> shift & 1 for byte in wanted) / len(wanted) for shift in range(7, -1, -1)])
    batch = whole(dataset)
    output = np.broadcast_to(means, batch.target.shape)
    value, gradient = LOSSES[loss](output, batch.target, counted(batch, output))
    assert dataset.provenance["baselines"]["constant bits"] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(gradient.sum(axis=(0, 1)), 0, atol=1e-15)


@pytest.mark.parametrize("loss", ["smooth-l1", "mse"])
def test_the_baseline_of_the_next_byte_knows_the_one_before(loss: str) -> None:
    dataset = opened(LINES, loss=loss)
    batch = whole(dataset)
    pairs = [(s[i], s[i + 1]) for line in LINES[:36] for s in [(line + "\0").encode()] for i in range(len(s) - 1)]
    output = np.zeros(batch.target.shape)
    for t, b in np.ndindex(batch.target.shape[:2]):
        before = int("".join(map(str, batch.x[t, b].astype(int))), 2)
        after = [y for x, y in pairs if x == before]
        output[t, b] = [sum(y >> shift & 1 for y in after) / max(len(after), 1) for shift in range(7, -1, -1)]
    value, _ = LOSSES[loss](output, batch.target, counted(batch, output))
    assert dataset.baseline.name == "bits given the byte before"
    assert dataset.baseline.loss == pytest.approx(value, rel=1e-12)
    assert dataset.baseline.loss < dataset.provenance["baselines"]["constant bits"]
