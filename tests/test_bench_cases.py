"""The cases of `npr bench`: sizes, FLOPs, groups, goals, and how they are chosen; nothing is timed."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
from bench_figures import KNOWN, OF_CPU

from npr.bench import cases
from npr.bench.problems import dense, elementwise, indrnn, update, wired
from npr.errors import ConfigError
from npr.tasks.copy import Copy

# Dense tanh RNN of the performance study: floor in ms at 234 GFLOP/s, ratio of its prototype, wanted share.
DENSE = {
    "dense-784x128-1x128": (43, 4.3, 0.75),
    "dense-200x128-10x128": (12, 2.6, 0.75),
    "dense-784x32-1x512": (169, 2.3, 0.85),
    "dense-150x128-128x512": (161, 1.6, 0.85),
    "dense-784x128-1x512": (674, 1.9, 0.85),
}
# The same for LSTM: T, B, D, H, floor in ms, ratio.
LSTM = {
    "lstm-784x128-1x128": (784, 128, 1, 128, 170, 2.4),
    "lstm-784x128-128x128": (784, 128, 128, 128, 337, 1.6),
    "lstm-784x100-1x256": (784, 100, 1, 256, 530, 1.6),
    "lstm-150x128-128x512": (150, 128, 128, 512, 646, 1.0),
}
THROUGHPUT = ["indrnn-784x128", *DENSE, "dense-784x100-1x512", *LSTM]
SMALL = [
    "dense-copy-220x10-10x128",
    "dense-copy-220x128-10x128",
    "dense-long-10000x8-1x128",
    "lstm-100x50-100x50",
    "update-exprnn-copy-float64",
    "update-nnrnn-copy-float64",
    "wired-residual-784x32",
    "wired-residual-norm-784x32",
    "wired-dense-784x32",
    "wired-dense-norm-784x32",
]


@pytest.mark.parametrize(("group", "names"), [("throughput", THROUGHPUT), ("small", SMALL)])
def test_groups_are_fixed(group, names):
    assert [name for name, case in KNOWN.items() if case.group == group] == names


@pytest.mark.parametrize("case", KNOWN.values(), ids=KNOWN)
def test_every_case_is_whole(case):
    family = cases.family(case)
    assert case.name.startswith(f"{family}-")
    assert (case.flops > 0) != (case.traffic > 0)
    tiny = case.tiny()
    assert (tiny.group, tiny.goal_ratio, tiny.goal_share, tiny.forward) == ("", 0, 0, case.forward)
    assert tiny.flops < 2e7
    problem = importlib.import_module(f"npr.bench.problems.{family}").draw(tiny, 1)
    assert all(value.dtype == np.float32 for value in problem.params.values())


@pytest.mark.parametrize("name", [name for name, case in OF_CPU.items() if case.splits and not case.forward])
def test_forward_pass_alone_is_an_added_case(name):
    alone = KNOWN[f"{name}-forward"]
    assert 3 * alone.flops == KNOWN[name].flops
    assert (alone.group, alone.goal_ratio, alone.goal_share) == ("", 0, 0)


def test_the_elementwise_recurrence_moves_five_arrays():
    case = KNOWN["elementwise-784x128-1024"]
    array = 4 * 784 * 128 * 1024
    assert (case.traffic, KNOWN[f"{case.name}-forward"].traffic) == (5 * array, 2 * array)
    assert case.goal_share == 0.7


def test_no_elementwise_pre_activation_is_next_to_the_kink():
    drawn = elementwise.draw(KNOWN["elementwise-784x32-128"].tiny(), 1, np.float64)
    h = a = np.zeros_like(drawn.x[0])
    for z in drawn.x:
        a = z + drawn.params["u"] * h
        assert np.abs(a).min() > 0.4
        h = np.maximum(a, 0)
    assert np.any(a < 0)


def test_flop_convention_of_indrnn():
    # 5 of 6 layers, three products of 2 T B H^2; a floor of 53 ms at 234 GFLOP/s.
    assert KNOWN["indrnn-784x32"].flops == 3 * 5 * 2 * 784 * 32 * 128 * 128
    assert KNOWN["indrnn-784x32"].flops / 234e9 == pytest.approx(0.053, rel=0.01)


@pytest.mark.parametrize("name", DENSE)
def test_flop_convention_and_goals_of_the_dense_cases(name):
    case, (floor, prototype, share) = KNOWN[name], DENSE[name]
    both = case.hidden_size + case.input_size
    assert case.flops == 2 * case.seq_len * case.batch_size * case.hidden_size * both * 3
    assert case.flops / 234e9 == pytest.approx(floor * 1e-3, rel=0.035)
    assert (case.goal_ratio, case.goal_share) == (pytest.approx(0.95 * prototype), share)
    assert case.input_gradient is (case.input_size == 128)


@pytest.mark.parametrize("name", LSTM)
def test_flop_convention_and_goals_of_the_lstm_cases(name):
    case, (*sizes, floor, ratio) = KNOWN[name], LSTM[name]
    assert [case.seq_len, case.batch_size, case.input_size, case.hidden_size] == sizes
    assert case.flops / 234e9 == pytest.approx(floor * 1e-3, rel=0.01)
    assert (case.goal_ratio, case.goal_share, case.input_gradient) == (ratio, 0.75, case.input_size > 1)


@pytest.mark.parametrize("kind", ["dense", "lstm"])
def test_two_directions_have_twice_the_products(kind):
    both = KNOWN[f"{kind}-bidirectional-200x128-10x128"]
    assert both.products == 2 * replace(both, bidirectional=False).products


def test_the_chain_of_a_node_is_the_published_one():
    case = KNOWN["rrn-published-2x50"]
    assert case.chain == [(50, 80), (80, 80), (80, 160), (160, 320), (320, 800), (800, 50), (50, 50)]
    assert case.flops == 3 * 2 * 50 * 50 * 2 * 9 * 50 * 50


def test_flops_of_rotations():
    case = KNOWN["eurnn-784x100-1x512"]
    assert case.products == 784 * 100 * (2 * 2 * 512 + 18 * 2 * (256 + 255) + 6 * 512)


def test_a_gru_has_three_gates():
    case = KNOWN["gru-150x128-128x512"]
    assert case.products == 3 * 2 * 150 * 128 * 512 * (512 + 128)


@pytest.mark.parametrize("name", ["wired-residual-784x32", "wired-dense-784x32"])
def test_flops_of_the_wired_networks_are_those_of_their_matrices(name):
    case = KNOWN[name].tiny()
    drawn = wired.draw(case, 1)
    first = ("stem.W", "layers.0.W_in", "readout.W")
    weights = sum(value.size for key, value in drawn.params.items() if value.ndim == 2 and key not in first)
    assert case.products == 2 * case.seq_len * case.batch_size * weights


UPDATES = {name: case for name, case in OF_CPU.items() if cases.family(case) == "update"}


@pytest.mark.parametrize("case", UPDATES.values(), ids=UPDATES)
def test_update_cases_are_the_published_task(case):
    sizes = (case.seq_len, case.input_size, case.hidden_size, case.classes)
    assert sizes == (Copy().seq_len, Copy().input_size, 128, Copy().output_size)
    assert case.flops == 6 * 220 * case.batch_size * 128 * 138
    goals = {"float64": 5.0, "float32": 9.0}
    assert case.goal_ratio == (goals[case.precision] if case.batch_size == 10 else 0)


def test_sequences_of_the_update_are_those_of_the_task():
    case, task = KNOWN["update-exprnn-copy-float64"].tiny(), Copy(delay=13)
    symbols, delays = (array[0] for array in task.draw(np.random.default_rng(1), 1, case.batch_size))
    batch = task.show((symbols, delays), np.float32)
    shown, target = update.sequences(case, symbols)
    assert np.array_equal(np.eye(case.input_size)[shown], batch.x)
    assert np.array_equal(target, batch.target)


def test_problem_follows_from_the_seed():
    case = KNOWN["indrnn-norm-784x32"].tiny()
    first, again, other = indrnn.draw(case, 1), indrnn.draw(case, 1), indrnn.draw(case, 2)
    assert all(np.array_equal(first.params[name], again.params[name]) for name in first.params)
    assert not np.array_equal(first.x, other.x)
    assert first.params["layers.2.u"].min() >= np.float32(0.5 ** (1 / case.seq_len))


def test_long_sequences_are_driven_less():
    long, short = (KNOWN[name].tiny() for name in ("dense-long-10000x8-1x128", "dense-784x32-1x512"))
    weights = [dense.draw(case, 1).params["layers.0.W_in"] for case in (short, replace(long, seq_len=10_000))]
    assert weights[1] == pytest.approx(0.1 * weights[0])


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["indrnn-784x32"], ["indrnn-784x32"]),
        (["lstm-1*", "indrnn-100x50"], ["indrnn-100x50", *(f"lstm-{n}" for n in (
            "150x128-128x512", "150x128-128x512-forward", "100x50-100x50", "100x50-100x50-forward"))]),
        (["text"], ["text-chainer-2x50", "text-char-rnn-2x128", "text-ptb-475", "text-ptb-1024"]),
        ([], list(KNOWN)),
    ],
)  # fmt: skip
def test_cases_are_chosen_by_name_family_and_pattern(patterns, expected):
    assert [case.name for case in cases.select(patterns, KNOWN)] == expected


def test_unknown_case_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'lstm-100x50-100x50'"):
        cases.select(["lstm-100x50-100x51"], KNOWN)


@pytest.mark.parametrize(("line", "named"), [("batchsize = 2", "batchsize"), ('group = "big"', "big")])
def test_case_rejects_an_unknown_field_or_group(line, named, tmp_path):
    file = tmp_path / "cases.toml"
    file.write_text(f"[indrnn.a]\nseq_len = 1\nbatch_size = 1\nlayers = 1\nhidden_size = 1\n{line}\n")
    with pytest.raises(ConfigError, match=f"indrnn-a: .*{named}"):
        cases.load(file)
