"""What a report reads, thins, leaves out and says about it; no browser is needed."""

from __future__ import annotations

import base64
import errno
import math
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SHORT, cli, data_dir, tensors
from sample_runs import inspect_run, inspection, row, rows, write_run

from npr.compare.record import read_record
from npr.errors import StorageError
from npr.inspect.series import Series
from npr.report import write_report
from npr.report.curves import curves
from npr.report.document import document
from npr.report.encoding import GAP, LEVELS, MINUS_INFINITY, levels
from npr.report.inspected import inspected
from npr.report.reproduction import reproduction, toml
from npr.report.thinning import largest, spread, thin
from npr.training.inspections import inspections, write_inspection
from npr.training.storage import Disk

__all__ = ["cli", "data_dir"]


def decoded(encoded: dict) -> np.ndarray:
    """Values of encoded levels, by the formula of their documentation."""
    codes = np.frombuffer(base64.b64decode(encoded["codes"]), "<u2").astype(float)
    found = encoded["low"] + (encoded["high"] - encoded["low"]) * codes / LEVELS
    return np.where(codes == GAP, np.nan, np.where(codes == MINUS_INFINITY, -np.inf, found)).reshape(encoded["shape"])


def test_values_survive_their_encoding():
    values = np.array([[1.5, -3.0, np.nan], [-np.inf, np.inf, 0.25]])
    found = decoded(levels(values))
    expected = np.where(np.isposinf(values), np.nan, values)
    assert np.allclose(found, expected, atol=4.5 / LEVELS, equal_nan=True)
    assert np.array_equal(decoded(levels([7.0, 7.0])), [7.0, 7.0])


def test_thinning_keeps_extremes_gaps_and_ends():
    values = np.sin(np.arange(5000.0))
    values[1234], values[4321], values[3000] = 9, -9, np.nan
    kept = thin(values, 300)
    assert len(kept) <= 300
    assert {0, 1234, 3000, 4321, 4999} <= set(kept.tolist())
    assert np.all(np.diff(kept) > 0)
    assert np.array_equal(thin(values[:300], 300), np.arange(300))


def test_columns_hold_the_largest_of_their_stretch():
    values = np.array([[1.0, 5, 2, np.nan, np.nan, np.nan, 0]])
    assert np.array_equal(largest(values, 3), [[5, 2, 0]])
    assert np.array_equal(largest(values, 9), values, equal_nan=True)


@pytest.mark.parametrize(("count", "most", "places"), [(0, 3, []), (1, 3, [0]), (9, 3, [0, 4, 8]), (3, 9, [0, 1, 2])])
def test_places_are_spread_evenly(count, most, places):
    assert spread(count, most).tolist() == places


def test_curves_have_training_and_validation():
    found = curves(rows(30), 900)
    assert set(found.found) == {"loss", "accuracy", "grad_norm"}
    assert set(found.found["loss"]) == {"train", "validation"}
    steps = np.frombuffer(base64.b64decode(found.found["loss"]["validation"]["steps"]), "<i4")
    assert steps.tolist() == [10, 20, 30]
    assert decoded(found.found["loss"]["validation"]["values"]) == pytest.approx(
        [row(step)["validation_loss"] for step in steps], abs=1e-4
    )
    assert (found.gaps, found.thinned) == (0, False)


@pytest.mark.parametrize("value", [math.nan, math.inf, "much", None])
def test_what_is_no_number_is_a_gap(value):
    found = curves([row(1), row(2, loss=value), row(3)], 900)
    assert found.gaps == 1
    assert np.isnan(decoded(found.found["loss"]["train"]["values"])).tolist() == [False, True, False]


def test_gradients_are_shown_as_powers_of_ten(tmp_path):
    run = inspect_run(write_run(tmp_path / "one", rows(4)), [2, 4], times=5, layers=2)
    found = inspected(run, 10_000)
    assert [entry["step"] for entry in found.found] == [2, 4]
    assert decoded(found.found[1]["gradient"]["1"]) == pytest.approx([t - 5 - 1 + 1 for t in range(5)], abs=1e-3)
    assert found.found[0]["time"] == 5
    assert found.messages == []


def test_zero_is_no_gap_but_nan_is(tmp_path):
    run = write_run(tmp_path / "one", rows(4))
    norms = np.array([0.0, 1e-30, np.nan, 1.0])
    write_inspection(Disk(), run, 4, {"layers.0.backward.dh_norm": Series(norms, ("time",))})
    found = inspected(run, 10_000)
    shown = decoded(found.found[0]["gradient"]["0 backward"])
    assert np.allclose(shown, [-np.inf, -30, np.nan, 0], atol=1e-2, equal_nan=True)
    assert found.messages == ["1 values of its inspections are NaN or infinite: they are shown as gaps."]


def test_inspections_that_do_not_fit_are_left_out_evenly(tmp_path):
    run = inspect_run(write_run(tmp_path / "one", rows(4)), range(1, 10), times=1000, layers=1, units=1)
    found = inspected(run, 1215)
    assert [entry["step"] for entry in found.found] == [1, 5, 9]
    assert len(decoded(found.found[0]["gradient"]["0"])) == 400
    assert found.messages == ["3 of 9 stored inspections are shown, evenly spread."]


@pytest.mark.parametrize("step", [1, 2])
def test_an_unreadable_inspection_is_left_out_and_named(tmp_path, step):
    run = inspect_run(write_run(tmp_path / "one", rows(4)), [1, 2, 3])
    inspections(run)[step].write_bytes(b"torn")
    found = inspected(run, 10_000)
    assert [entry["step"] for entry in found.found] == [kept for kept in (1, 2, 3) if kept != step]
    assert len(found.messages) == 1
    assert f"step-0000000{step}.safetensors' is damaged" in found.messages[0]


def test_a_run_without_inspections_says_how_to_get_them(tmp_path):
    found = document([read_record(write_run(tmp_path / "one", rows(4)))])
    assert any("--inspect-every" in line for line in found.messages)


def test_a_damaged_line_is_named(tmp_path):
    run = write_run(tmp_path / "one", rows(4))
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text("".join([*lines[:2], '{"step": 3, "lo\n', *lines[3:]]))
    record = read_record(run)
    assert len(record.rows) == 2
    assert any("Line 3 of" in line for line in document([record]).messages)


def test_a_torn_last_line_is_no_damage(tmp_path):
    run = write_run(tmp_path / "one", rows(4), done=False)
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "lo')
    record = read_record(run)
    assert (len(record.rows), record.warnings) == (4, ())


def test_runs_of_different_tasks_are_pointed_out(tmp_path):
    runs = [write_run(tmp_path / task, rows(4), task=task) for task in ("copy", "adding")]
    assert "different tasks (copy: copy; adding: adding)" in document([read_record(run) for run in runs]).messages[0]


def test_length_in_epochs_follows_from_the_rows(tmp_path):
    run = write_run(tmp_path / "one", rows(10), done=False, steps=0, epochs=4)
    assert read_record(run).status() == "stopped at step 10 of 200"


def test_the_file_is_replaced_and_kept_if_that_fails(cli, tmp_path, monkeypatch):
    pytest.importorskip("plotly")
    write_run(tmp_path / "one", rows(4))
    Path("report.html").write_text("old")
    done = cli("report", "one")
    assert (done.code, done.out) == (0, "report: report.html\n")
    new = Path("report.html").read_text()
    assert new.startswith("<!doctype html>")
    assert "http://" not in new.split("<script>")[0]

    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Disk, "write", full)
    with pytest.raises(StorageError, match=r"Cannot write 'report.html': No space left"):
        write_report(["one"], "report.html")
    assert Path("report.html").read_text() == new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "report.html"]


def test_without_plotly_the_extra_is_named(cli, tmp_path, monkeypatch):
    write_run(tmp_path / "one", rows(4))
    monkeypatch.setitem(sys.modules, "plotly", None)
    done = cli("report", "one")
    assert done.code == 3
    assert 'pip install -e ".[html]"' in done.err
    assert not Path("report.html").exists()


@pytest.mark.parametrize("value", ["a b", "1", "true", "", 3, 0.25, True, [8, 6], {"layers.0.": 0.1}, 'a "b"'])
def test_values_come_back_from_set(value):
    from npr_cli.options import Assignment

    assert Assignment().convert(f"key={toml(value)}", None, None) == ("key", value)


RUNS = {
    "preset": {"preset": "laptop"},
    "other optimiser": {"preset": "laptop", "optimizer": "sgd", "momentum": 0.5},
    "schedule": {"schedule": "cosine", "lr": 3e-05},
    "epochs over updates of the preset": {"preset": "laptop", "steps": 0, "epochs": 3},
    "time limit and folders": {"max_time": 90.0, "data_dir": "my data", "threads": 2, "run_dir": "elsewhere"},
    "rates by prefix": {"lr_by_prefix": {"layers.0.": 0.1}},
}


@pytest.mark.parametrize("name", RUNS)
def test_the_command_resolves_to_the_stored_configuration(cli, tmp_path, name):
    record = read_record(write_run(tmp_path / "one", rows(4), **RUNS[name]))
    found = reproduction(record)
    done = cli(*shlex.split(found.command)[1:], "--dry-run", "--json")
    assert done.code == 0, done.err
    resolved = {key: entry["value"] for key, entry in done.json()["config"].items()}
    unused = {"run_dir", "preset", *(["epochs"] if record.config["steps"] else [])}
    assert {k: v for k, v in resolved.items() if k not in unused} == {
        k: v for k, v in record.config.items() if k not in unused
    }


def test_the_command_trains_the_same_bits(cli, tmp_path):
    cli("train", *SHORT, "--run-dir", "one", "--set", "beta1=0.8", "--seed", "7")
    command = reproduction(read_record(tmp_path / "one")).command
    assert cli(*shlex.split(command)[1:], "--run-dir", "two").code == 0
    assert tensors(tmp_path / "one") == tensors(tmp_path / "two")


def test_synthetic_data_are_named_in_the_command(tmp_path):
    record = read_record(write_run(tmp_path / "one", rows(4)))._replace(task="pmnist[synthetic]")
    assert "--data synthetic" in reproduction(record).command


def test_notes_tell_what_the_command_cannot(tmp_path):
    record = read_record(write_run(tmp_path / "one", rows(4)))
    assert record.result is not None
    imported = record._replace(about={"imported": {"file": "m.pt"}}, result=record.result._replace(stopped="max_time"))
    notes = reproduction(imported).notes
    assert "m.pt" in notes[0]
    assert "after 4 updates" in notes[1]


def test_inspection_of_the_samples_is_what_the_names_say():
    assert inspection(times=3)["layers.0.dh_norm"].values.tolist() == [1e-3, 1e-2, 1e-1]


def test_layers_of_other_lengths_do_not_share_an_axis(tmp_path):
    run = write_run(tmp_path / "one", rows(4))
    found = {f"layers.{i}.dh_norm": Series(np.ones(length), ("time",)) for i, length in enumerate((5, 3, 5))}
    write_inspection(Disk(), run, 4, found)
    shown = inspected(run, 10_000)
    assert list(shown.found[0]["gradient"]) == ["0", "2"]
    assert shown.messages == ["Step 4: gradients of layers of another length than the first are not shown."]
