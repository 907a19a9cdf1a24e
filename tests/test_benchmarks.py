"""The benchmarks' own arithmetic: cases, FLOP convention, agreement, programs from cases to table; no timing."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import agreement  # noqa: E402
import dense_problem  # noqa: E402
import gradient_picture  # noqa: E402
import indrnn_problem as problem  # noqa: E402
import lstm_problem  # noqa: E402
import peers  # noqa: E402
import text_problem  # noqa: E402
import tile_runs  # noqa: E402
import update_problem  # noqa: E402
from problem import CHANGE, load_cases  # noqa: E402

from npr.tasks.copy import Copy  # noqa: E402

CASES = load_cases(BENCHMARKS / "cases.toml", problem.Case)
DENSE = load_cases(BENCHMARKS / "cases_dense.toml", dense_problem.Case)
LSTM = load_cases(BENCHMARKS / "cases_lstm.toml", lstm_problem.Case)
UPDATE = load_cases(BENCHMARKS / "cases_update.toml", update_problem.Case)
TEXT = load_cases(BENCHMARKS / "cases_text.toml", text_problem.Case)
# performance.md, dense tanh RNN: floor in ms at 234 GFLOP/s, ratio of the prototype, wanted share of the ceiling.
DENSE_GOALS = {
    "dense-784x128-1x128": (43, 4.3, 0.75),
    "dense-200x128-10x128": (12, 2.6, 0.75),
    "dense-784x32-1x512": (169, 2.3, 0.85),
    "dense-150x128-128x512": (161, 1.6, 0.85),
    "dense-784x128-1x512": (674, 1.9, 0.85),
}
# The same table, LSTM: T, B, D, H, floor in ms, and what is asked for against torch.nn.LSTM.
LSTM_GOALS = {
    "lstm-784x128-1x128": (784, 128, 1, 128, 170, 2.4),
    "lstm-784x128-128x128": (784, 128, 128, 128, 337, 1.6),
    "lstm-784x100-1x256": (784, 100, 1, 256, 530, 1.6),
    "lstm-150x128-128x512": (150, 128, 128, 512, 646, 1.0),
}


def test_flop_convention_of_the_fixed_cases():
    # performance.md: 5 of 6 layers, three products of 2 T B H^2; its floor of 53 ms at 234 GFLOP/s.
    assert CASES["indrnn-784x32"].flops == 3 * 5 * 2 * 784 * 32 * 128 * 128
    assert CASES["indrnn-784x32"].flops / 234e9 == pytest.approx(0.053, rel=0.01)


def test_dense_cases_are_those_of_the_performance_study():
    assert list(DENSE) == list(DENSE_GOALS)
    assert [case.name for case in DENSE.values() if case.input_gradient] == ["dense-150x128-128x512"]


@pytest.mark.parametrize("name", DENSE_GOALS)
def test_flop_convention_and_goals_of_the_dense_cases(name):
    case, (floor, prototype, share) = DENSE[name], DENSE_GOALS[name]
    both = case.hidden_size + case.input_size
    assert case.flops == 2 * case.seq_len * case.batch_size * case.hidden_size * both * 3
    assert case.flops / 234e9 == pytest.approx(floor * 1e-3, rel=0.035)
    assert (case.goal_ratio, case.goal_share) == (pytest.approx(0.95 * prototype), share)


@pytest.mark.parametrize("name", LSTM_GOALS)
def test_flop_convention_and_goals_of_the_lstm_cases(name):
    case, (*sizes, floor, ratio) = LSTM[name], LSTM_GOALS[name]
    assert list(LSTM) == list(LSTM_GOALS)
    assert [case.seq_len, case.batch_size, case.input_size, case.hidden_size] == sizes
    assert case.flops / 234e9 == pytest.approx(floor * 1e-3, rel=0.01)
    assert (case.goal_ratio, case.goal_share, case.input_gradient) == (ratio, 0.75, case.input_size > 1)


@pytest.mark.parametrize("case", UPDATE.values(), ids=UPDATE)
def test_update_cases_are_the_published_task_and_their_goals_follow_the_precision(case):
    sizes = (case.seq_len, case.batch_size, case.input_size, case.hidden_size, case.classes)
    assert sizes == (Copy().seq_len, 10, Copy().input_size, 128, Copy().output_size)
    assert case.goal_ratio == {"float64": 5.0, "float32": 9.0}[case.precision]
    assert case.flops == 6 * 220 * 10 * 128 * 138


def test_sequences_of_the_update_are_those_of_the_task():
    case, task = UPDATE["exprnn-copy-float64"].tiny(), Copy(delay=13)
    symbols, delays = (array[0] for array in task.draw(np.random.default_rng(1), 1, case.batch_size))
    batch = task.show((symbols, delays), np.float32)
    shown, target = update_problem.sequences(case, symbols)
    assert np.array_equal(np.eye(case.input_size)[shown], batch.x)
    assert np.array_equal(target, batch.target)


def test_case_rejects_an_unknown_field(tmp_path):
    file = tmp_path / "cases.toml"
    file.write_text("[a]\nseq_len = 1\nbatch_size = 1\nlayers = 1\nhidden_size = 1\nbatchsize = 2\n")
    with pytest.raises(TypeError, match="batchsize"):
        load_cases(file, problem.Case)


def test_problem_follows_from_the_seed():
    case = CASES["indrnn-norm-784x32"].tiny()
    first, again, other = problem.draw(case, 1), problem.draw(case, 1), problem.draw(case, 2)
    assert all(np.array_equal(first.params[name], again.params[name]) for name in first.params)
    assert not np.array_equal(first.x, other.x)
    assert first.params["layers.2.u"].min() >= np.float32(0.5 ** (1 / case.seq_len))


def changed(arrays, name, value):
    return {**arrays, name: value}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("W", np.array([2.0, -4.0]), 0.0),
        ("W", np.array([2.0, -4.4]), 0.1),
        ("W", np.array([2.0, np.nan]), np.inf),
        ("u", np.array([0.5]), 0.5),
    ],
)
def test_disagreement_is_relative_to_the_largest_value(name, value, expected):
    arrays = {"W": np.array([2.0, -4.0]), "u": np.array([0.0])}
    assert problem.disagreement(changed(arrays, name, value), arrays)[name] == pytest.approx(expected)


@pytest.mark.parametrize("other", [{}, {"W": np.zeros((2, 1))}, {"V": np.zeros(2)}])
def test_disagreement_refuses_other_names_and_shapes(other):
    with pytest.raises(ValueError, match=r"different arrays|shape"):
        problem.disagreement(other, {"W": np.zeros(2)})


def fake_results(**offsets):
    """Results of libraries that return 1 plus an offset for one type."""
    return lambda library, dtype: {"W": np.array([1.0 + offsets.get(f"{library}_{dtype}", 0.0)])}


@pytest.mark.parametrize(
    ("offsets", "case", "blamed"),
    [
        ({}, "indrnn-784x32", None),
        ({"npr_float64": 2e-8}, "indrnn-784x32", "npr in float64"),
        ({"jax_float32": 2e-4}, "indrnn-784x32", "jax in float32"),
        ({"jax_float32": 2e-4}, "indrnn-norm-784x32", None),
        ({"npr_float32": 3e-2}, "indrnn-norm-784x32", "npr in float32"),
        ({"torch_float32": 3e-2}, "indrnn-norm-784x32", None),
        ({"torch_float32": np.nan}, "indrnn-norm-784x32", "torch in float32"),
    ],
)
def test_agreement_names_the_library_that_is_off(offsets, case, blamed):
    libraries = ("npr", "torch", "jax")
    if blamed is None:
        found = agreement.agreement(CASES[case], libraries, fake_results(**offsets))
        assert found["float32"].keys() == set(libraries)
        assert found["float32"]["jax"] == pytest.approx(offsets.get("jax_float32", 0.0))
    else:
        with pytest.raises(agreement.Disagreement, match=blamed):
            agreement.agreement(CASES[case], libraries, fake_results(**offsets))


def test_first_change_of_an_optimiser_may_be_further_off_but_not_wrong():
    def results(offset):
        moved = {"npr": {f"{CHANGE}W": np.array([1.0 + offset])}, "torch": {f"{CHANGE}W": np.ones(1)}}
        return lambda library, dtype: {"W": np.ones(1), **(moved[library] if dtype == "float64" else {})}

    found = agreement.agreement(UPDATE["nnrnn-copy-float64"], ("npr", "torch"), results(1e-7))
    assert found["float64"]["npr"] == 0
    assert found["float64, changes"]["npr"] == pytest.approx(1e-7)
    with pytest.raises(agreement.Disagreement, match=r"change\.W"):
        agreement.agreement(UPDATE["nnrnn-copy-float64"], ("npr", "torch"), results(2e-6))


@pytest.mark.parametrize(
    ("library", "dtype", "sensitivity", "expected"),
    [
        ("npr", "float64", "norm", 1e-8),
        ("npr", "float32", "", 1e-4),
        ("npr", "float32", "norm", 2e-2),
        ("torch", "float32", "norm", 1e-1),
    ],
)
def test_most_special_tolerance_counts(library, dtype, sensitivity, expected):
    assert agreement.tolerance(problem.Case.tolerances, library, dtype, sensitivity) == expected


@pytest.mark.parametrize(("given", "float32"), [([], 1e-4), (["--tolerance", "0.5"], 0.5)])
def test_command_line_replaces_the_tolerance_of_float32(given, float32):
    benchmark = peers.Benchmark("dense", "", dense_problem.Case, "cases_dense.toml")
    limits = peers.tolerances(benchmark, peers.parse(benchmark, ["--threads", "1", *given]))
    assert limits == {"float64": 1e-8, "float32": float32}


def test_worker_builds_the_case_it_is_told_about():
    benchmark = peers.Benchmark("update", "", update_problem.Case, "cases_update.toml", ("torch",))
    options = peers.parse(benchmark, ["--threads", "1", "--tiny", "--cases", "nnrnn-copy-float32"])
    told = peers.job(benchmark, options.chosen[0], options, "check", "npr")
    assert update_problem.Case(**told["case"]) == UPDATE["nnrnn-copy-float32"].tiny()
    assert (told["family"], benchmark.libraries) == ("update", ("npr", "torch"))


def stand_in(job):
    """What a worker answers, without one: libraries that agree, and npr twice as fast as its peers."""
    if job["task"] == "check":
        np.savez(job["file"], loss=np.ones(1))
    if job["task"] == "ceilings":
        return {"tile_1": 200.0}
    return [0.1 if job["library"] == "npr" else 0.2] * job["repeats"] if job["task"] == "time" else None


@pytest.mark.parametrize("program", ["indrnn_peers", "dense_peers", "lstm_peers", "update_peers", "text_peers"])
def test_program_goes_from_cases_to_table(program, monkeypatch, capsys):
    monkeypatch.setattr(peers, "work", stand_in)
    benchmark = importlib.import_module(program).BENCHMARK
    assert benchmark.name == program
    assert peers.main(benchmark, ["--tiny", "--threads", "1", "--repeats", "2"]) == 0
    out, err = capsys.readouterr()
    names = list(load_cases(BENCHMARKS / benchmark.cases, benchmark.case))
    assert [line.split(" | ")[0].strip("| ") for line in out.splitlines()[2 : 2 + len(names)]] == names
    assert "2.00 (2.00-2.00)" in out
    assert "differences from torch's float64" in err


@pytest.mark.parametrize("program", ["dense_peers", "lstm_peers", "update_peers"])
def test_missed_goal_is_written_down_and_fails(program, monkeypatch, tmp_path):
    monkeypatch.setattr(peers, "work", stand_in)
    monkeypatch.setattr(peers.record, "RESULTS", tmp_path)
    benchmark = importlib.import_module(program).BENCHMARK
    assert peers.main(benchmark, ["--threads", "1", "--rounds", "1", "--repeats", "1", "--name", "made"]) == 7
    written = json.loads((tmp_path / "made.json").read_text(encoding="utf-8"))
    assert written["command"].startswith(f"python benchmarks/{program}.py --threads 1")
    assert {"seed", "threads", "dtype", "tolerance", "ceilings", "cases", "mean_ratio", "rounds"} <= written.keys()


LIBRARIES = [
    ("dense", "torch", "dense-784x128-1x128"),
    ("dense", "torch", "dense-150x128-128x512"),
    ("dense", "jax", "dense-150x128-128x512"),
    ("lstm", "torch", "lstm-784x128-1x128"),
    ("lstm", "torch", "lstm-150x128-128x512"),
    ("lstm", "jax", "lstm-150x128-128x512"),
    ("update", "torch", "exprnn-copy-float64"),
    ("update", "torch", "nnrnn-copy-float64"),
    ("update", "torch", "exprnn-copy-float32"),
    ("update", "torch", "nnrnn-copy-float32"),
    ("text", "torch", "chainer-2x50"),
    ("text", "torch", "char-rnn-2x128"),
]


@pytest.mark.parametrize(("family", "library", "name"), LIBRARIES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_peer_computes_what_npr_computes(family, library, name, dtype):
    pytest.importorskip(library, reason=f"{library} is not installed (pip install -e '.[bench]')")
    case = {**DENSE, **LSTM, **UPDATE, **TEXT}[name].tiny()
    problems = {"dense": dense_problem, "lstm": lstm_problem, "update": update_problem, "text": text_problem}
    given = problems[family].draw(case, 1, dtype)
    steps = [importlib.import_module(f"{family}_{one}").prepare(given, 1) for one in ("npr", library)]
    found, expected = (step.collect(step.run()) for step in steps)
    errors = problem.disagreement(found, expected)
    assert max(errors.values()) <= {"float64": 1e-7, "float32": 1e-3}[dtype], errors
    assert {"loss", "output", *given.params} <= expected.keys()
    changes = [value for key, value in expected.items() if key.startswith(CHANGE)]
    assert len(changes) == (len(given.params) if family in ("update", "text") and dtype == "float64" else 0)
    assert all(np.any(value) for value in changes)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tile_check_passes_on_the_library(dtype, transposed):
    assert tile_runs.check(tile_runs.Size(10, 37, 41), dtype, transposed) < 32 * np.finfo(dtype).eps


def test_tile_check_refuses_a_wrong_product(monkeypatch):
    monkeypatch.setattr(tile_runs, "_multiply_often", lambda a, panels, c, times: c.fill(1.0))
    with pytest.raises(ValueError, match="off by"):
        tile_runs.check(tile_runs.Size(4, 4, 4))


def test_the_picture_of_the_readme_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setitem(gradient_picture.SHARED, "delay", 40)
    monkeypatch.setattr(sys, "argv", ["picture", str(tmp_path / "a.png"), "--json", str(tmp_path / "a.json")])
    gradient_picture.main()
    assert (tmp_path / "a.png").stat().st_size > 5000
    told = json.loads((tmp_path / "a.json").read_text())["models"]
    assert {name: found["word"] for name, found in told.items()} == {
        "lstm": "vanishing", "rnn": "vanishing", "irnn": "stable", "indrnn": "stable", "exprnn": "stable"
    }  # fmt: skip
