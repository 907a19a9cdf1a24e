"""BPTT that computes states again: the same bits as with all states kept, less memory, and where it is refused."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cli_runs import cli, data_dir, tensors
from network_points import in_float32

from npr import build, registry
from npr.backends import get_backend
from npr.context import Backward, Context, Forward
from npr.errors import ConfigError
from npr.gradcheck_cases import CASES, Case, Point, applies, draw_point, options_for
from npr.networks.recomputed import RecomputedCache
from npr.params import flat_of

__all__ = ["cli", "data_dir"]
MODELS = registry.models.names()
BY_NAME = {case.name: case for case in CASES}
# Three stretches and a part of one, at the tile of a batch of five.
STEPS = 220
WITH_DROPOUT = ["dropout", "ragged", "tanh", "one-hot", "embedding", "dropped-rows", "tied", "gates", "gates-old"]


def point_of(name: str, case: Case, **options: Any) -> Point:
    case = replace(case, steps=STEPS, batch=5)
    chosen = {**options_for(name, case, {}), **options}
    fields = registry.models.get(name).__dataclass_fields__
    free = {
        key: value for key, value in {"norm": "none", "u_max": 0.98, "last_u": "as-others"}.items() if key in fields
    }
    return draw_point(build(name, **{**chosen, **free}), case, (5, *case.name.encode()))


def both_ways(point: Point, steps: int) -> tuple[Forward, Backward]:
    ctx = point.context()._replace(bptt_checkpoint=steps, keep=frozenset())
    out = point.model.forward(ctx, point.params, point.buffers, point.x, point.state, point.lengths)
    return out, point.model.backward(ctx, point.params, out.cache, point.d_output, point.d_state)


def check_same_bits(point: Point, steps: int = 1) -> None:
    (out, back), (wanted, expected) = both_ways(point, steps), both_ways(point, 0)
    assert isinstance(out.cache, RecomputedCache)
    np.testing.assert_array_equal(out.output, wanted.output)
    assert np.abs(flat_of(expected.params)).max() > 0
    for name, value in expected.params.items():
        np.testing.assert_array_equal(back.params[name], value, err_msg=name)
    pairs = [*zip(out.state, wanted.state, strict=True), *zip(back.state, expected.state, strict=True)]
    for one, two in [*pairs, (back.x, expected.x)]:
        assert (one is None) == (two is None)
        if two is not None:
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("case", WITH_DROPOUT)
def test_the_same_bits_as_with_all_states(name: str, case: str) -> None:
    if not applies(name, BY_NAME[case]):
        pytest.skip(f"{name} has no weight to tie")
    check_same_bits(point_of(name, BY_NAME[case]))


@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_in_float32_read_after_the_last_step(name: str) -> None:
    case = Case("last", {"readout": "last", "dropout": 0.2}, ragged=True, carried=True)
    point = point_of(name, case)
    # States of a ReLU network with weights as drawn outgrow float32 in so many steps.
    check_same_bits(in_float32(point._replace(params={key: 0.6 * value for key, value in point.params.items()})))


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_the_same_bits_where_tiles_are_twice_as_long(name: str) -> None:
    check_same_bits(point_of(name, Case("wide-matrix", {"hidden_size": 390, "layers": 1})))


@pytest.mark.parametrize("steps", [1, 100, 130])
def test_any_number_of_steps_is_rounded_up_to_tiles(steps: int) -> None:
    check_same_bits(point_of("rnn", BY_NAME["ragged"]), steps)


def test_one_stretch_is_an_ordinary_pass() -> None:
    out, _ = both_ways(point_of("rnn", BY_NAME["ragged"]), STEPS)
    assert not isinstance(out.cache, RecomputedCache)


def test_series_that_are_kept_need_all_steps() -> None:
    point = point_of("rnn", BY_NAME["tanh"])
    ctx = point.context()._replace(bptt_checkpoint=1, keep=frozenset({"h"}))
    out = point.model.forward(ctx, point.params, point.buffers, point.x, point.state, point.lengths)
    assert out.cache.kept["layers.0.h"].shape[0] == STEPS


def peak(steps: int, times: int) -> int:
    """Bytes that a pass over `times` steps allocates at most."""
    model = build("lstm", input_size=1, output_size=1, hidden_size=16)
    params, buffers = model.init(np.random.default_rng(1))
    ctx = Context(get_backend("cpu", threads=1), bptt_checkpoint=steps)
    ctx.backend.pool.clear()
    x = np.zeros((times, 4, 1), np.float32)
    tracemalloc.start()
    out = model.forward(ctx, params, buffers, x)
    model.backward(ctx, params, out.cache, np.ones((4, 1), np.float32), input_gradient=False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def test_memory_is_that_of_a_stretch() -> None:
    assert peak(100, 8000) < 0.1 * peak(0, 8000)
    assert peak(100, 8000) < 2 * peak(100, 2000)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("indrnn", {"norm": "time"}, "batch norm"),
        ("indrnn-residual", {"norm": "step", "seq_len": 300}, "batch norm"),
        ("lstm", {"bidirectional": True}, "bidirectional"),
    ],
)
def test_refused_where_a_step_depends_on_later_ones(name: str, options: dict[str, Any], told: str) -> None:
    model = build(name, input_size=1, output_size=1, **options)
    params, buffers = model.init(np.random.default_rng(1))
    ctx = Context(get_backend("cpu", threads=1), bptt_checkpoint=8)
    with pytest.raises(ConfigError, match=told):
        model.forward(ctx, params, buffers, np.zeros((300, 4, 1), np.float32))


def test_a_training_ends_in_the_same_bits(cli, tmp_path):
    args = ["--model", "lstm", "--task", "adding", "--preset", "none", "--hidden-size", "6", "--batch-size", "4"]
    args += ["--set", "seq_len=500", "--set", "validation_size=8", "--set", "test_size=8", "--set", "dropout=0.2"]
    for run, steps in (("kept", 0), ("again", 100)):
        done = cli("train", *args, "--steps", "4", "--run-dir", run, "--bptt-checkpoint", steps)
        assert done.code == 0, done.err
    assert tensors(tmp_path / "kept") == tensors(tmp_path / "again")


def test_the_command_line_refuses_batch_norm(cli, tmp_path):
    done = cli("train", "--model", "indrnn", "--task", "adding", "--set", "norm=time", "--bptt-checkpoint", "64")
    assert done.code == 3
    assert "bptt_checkpoint = 64" in done.err
    assert "norm = 'none'" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", [0, 500])
def test_a_dry_run_knows_the_memory(cli, steps):
    args = ["--model", "lstm", "--task", "adding", "--hidden-size", "16", "--batch-size", "4", "--set", "seq_len=8000"]
    found = cli("train", *args, "--bptt-checkpoint", steps, "--dry-run", "--json").json()["estimate"]
    real = peak(steps, 8000)
    assert 0.5 * real < found["memory_bytes"] < 2 * real


def test_a_second_backward_pass_gives_the_same():
    point = point_of("lstm", BY_NAME["ragged"])
    ctx = point.context()._replace(bptt_checkpoint=1, keep=frozenset())
    out = point.model.forward(ctx, point.params, point.buffers, point.x, point.state, point.lengths)
    one, two = (point.model.backward(ctx, point.params, out.cache, point.d_output, point.d_state) for _ in range(2))
    np.testing.assert_array_equal(flat_of(one.params), flat_of(two.params))


@pytest.mark.parametrize("steps", [-5, 2.5, float("nan")])
def test_a_number_of_steps_that_is_none(steps):
    point = point_of("rnn", BY_NAME["tanh"])
    with pytest.raises(ConfigError, match="bptt_checkpoint"):
        both_ways(point, steps)
