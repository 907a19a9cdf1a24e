"""`npr compare`: which runs repeat each other, means and intervals, and what is said about doubtful figures."""

from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
from cli_runs import cli, data_dir
from sample_runs import row, rows, write_run

from npr.compare import compare, estimate, ordered
from npr.compare.differences import differences, setting
from npr.errors import ConfigError
from npr.training.run_folder import RunFolder

__all__ = ["cli", "data_dir"]
# Quantiles of Student's t at 0.975 for 1, 2 and 9 degrees of freedom, from printed tables.
STUDENT = {2: 12.706, 3: 4.303, 10: 2.262}


@pytest.mark.parametrize("count", list(STUDENT))
def test_the_interval_is_students(count):
    values = np.random.default_rng(count).normal(3, 2, count)
    found = estimate(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.interval == pytest.approx(STUDENT[count] * values.std(ddof=1) / math.sqrt(count), rel=1e-3)
    assert found.n == count


def test_a_single_value_has_no_interval():
    assert estimate([3.0]) == (3.0, None, 1)


def test_nan_is_not_left_out_of_a_mean():
    assert math.isnan(estimate([1.0, math.nan]).mean)
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


def test_runs_that_differ_in_seed_alone_are_one_group(tmp_path):
    seeds = [write_run(tmp_path / f"{seed}", rows(4), seed=seed, threads=seed) for seed in (1, 2, 3)]
    wide = write_run(tmp_path / "wide", rows(4), hidden_size=16, seed=5)
    found = compare([seeds[0], wide, *seeds[1:]])
    assert [len(group.records) for group in found.groups] == [3, 1]
    assert [group.settings for group in found.groups] == [{"hidden_size": 8}, {"hidden_size": 16}]
    loss = found.groups[0].figures["test_loss"]
    assert (loss.mean, loss.n) == (pytest.approx(0.2), 3)
    assert loss.interval == pytest.approx(STUDENT[3] * 0.1 / math.sqrt(3), rel=1e-3)
    assert found.groups[1].figures["test_loss"] == (0.5, None, 1)


@pytest.mark.parametrize("key", ["threads", "keep", "checkpoint_every", "preset", "run_dir", "seed", "data_seed"])
def test_keys_without_effect_do_not_part_runs(key):
    assert setting({"lr": 1, key: 1}) == setting({"lr": 1, key: 2})


@pytest.mark.parametrize("key", ["lr", "dtype", "batch_size", "eval_every", "delay"])
def test_keys_with_effect_do(key):
    assert setting({"lr": 1, key: 1}) != setting({"lr": 1, key: 2})


def test_epochs_count_only_where_no_updates_are_given():
    assert setting({"steps": 5, "epochs": 1}) == setting({"steps": 5, "epochs": 2})
    assert setting({"steps": 0, "epochs": 1}) != setting({"steps": 0, "epochs": 2})


def test_differences_name_keys_that_some_lack():
    assert differences([{"a": 1, "b": 2}, {"a": 1}]) == {"b": [2, None]}


def test_options_of_one_model_alone_are_no_columns(tmp_path):
    runs = [write_run(tmp_path / model, rows(2), model=model) for model in ("rnn", "exprnn")]
    found = compare(runs).differing()
    assert "model" in found
    assert "rebase_every" not in found


def test_the_same_seed_twice_is_one_sample(tmp_path):
    runs = [write_run(tmp_path / name, rows(count)) for name, count in (("short", 2), ("long", 4), ("also", 4))]
    found = compare(runs)
    assert [record.name for record in found.groups[0].records] == ["long"]
    assert len(found.notes) == 2
    assert "short has the settings and seed of long" in found.notes[0]


def test_a_run_named_twice_counts_once(tmp_path):
    run = write_run(tmp_path / "one", rows(2))
    found = compare([run, tmp_path / "." / "one"])
    assert (len(found.groups[0].records), found.notes) == (1, [])


def test_a_run_in_progress_counts_with_its_latest_rows(tmp_path):
    run = write_run(tmp_path / "now", rows(15), done=False)
    with RunFolder.open(run):
        found = compare([run])
    figures = found.groups[0].figures
    assert figures["steps"].mean == 15
    assert figures["train_loss"].mean == pytest.approx(row(15)["loss"])
    assert figures["validation_loss"].mean == pytest.approx(row(10)["validation_loss"])
    assert "test_loss" not in figures
    assert found.notes == ["now is in progress, step 15 of 100: its latest rows count."]


def test_a_run_that_nobody_trains_has_stopped(tmp_path):
    run = write_run(tmp_path / "killed", rows(15), done=False)
    with RunFolder.open(run):
        pass  # leaves its lock file behind
    found = compare([run])
    assert found.notes == ["killed is stopped at step 15 of 100: its latest rows count."]
    assert (found.groups[0].in_progress, found.groups[0].unfinished) == (False, True)


def test_a_finished_run_that_goes_on_is_in_progress_from_its_first_row(tmp_path):
    run = write_run(tmp_path / "longer", rows(4))
    with RunFolder.open(run):
        assert compare([run]).groups[0].unfinished is False
        with open(run / "metrics.jsonl", "a") as file:
            file.write(json.dumps(row(5)) + "\n")
        assert compare([run]).notes == ["longer is in progress, step 5 of 100: its latest rows count."]


def test_a_result_older_than_the_rows_is_not_the_result(tmp_path):
    run = write_run(tmp_path / "resumed", rows(4))
    with open(run / "metrics.jsonl", "a") as file:
        file.write(json.dumps(row(5)) + "\n")
    assert compare([run]).groups[0].unfinished


def test_nan_is_named(tmp_path):
    bad = write_run(tmp_path / "bad", [row(1), row(2, loss=math.nan)], done=False)
    good = write_run(tmp_path / "good", rows(2), done=False, seed=2)
    found = compare([bad, good])
    assert math.isnan(found.groups[0].figures["train_loss"].mean)
    assert any(note.startswith("train_loss is NaN or infinite in bad:") for note in found.notes)


def test_parameters_are_counted_without_a_checkpoint(tmp_path):
    figures = compare([write_run(tmp_path / "one", rows(2), model="rnn", hidden_size=3)]).groups[0].figures
    inputs, outputs = 10, 9
    assert figures["parameters"].mean == 3 * inputs + 3 * 3 + 3 + 3 * outputs + outputs


def test_sorting_puts_the_best_first(tmp_path):
    runs = [write_run(tmp_path / f"{i}", rows(2), seed=i, hidden_size=i) for i in (2, 3, 1)]
    sizes = {key: [g.settings["hidden_size"] for g in ordered(compare(runs), key).groups] for key in SORTS}
    assert sizes == SORTS
    with pytest.raises(ConfigError, match=r"Cannot sort by 'los'\. Available: train_loss, "):
        ordered(compare(runs), "los")


SORTS = {"test_loss": [1, 2, 3], "test_accuracy": [1, 2, 3], "hidden_size": [1, 2, 3]}


def test_runs_of_different_tasks_are_refused(cli, tmp_path):
    write_run(tmp_path / "one", rows(2))
    write_run(tmp_path / "two", rows(2), task="adding")
    done = cli("compare", "one", "two")
    assert (done.code, done.out) == (3, "")
    assert "copy (one), adding (two)" in done.err


def test_the_table_marks_runs_in_progress(cli, tmp_path):
    for seed in (1, 2):
        write_run(tmp_path / f"run{seed}", rows(12), seed=seed)
    write_run(tmp_path / "now", rows(12), done=False, hidden_size=16)
    with RunFolder.open(tmp_path / "now"):
        done = cli("compare", "run1", "run2", "now")
    head, *lines = done.out.splitlines()[1:]
    assert done.code == 0
    assert head.split()[:4] == ["runs", "seeds", "hidden_size", "train_loss"]
    assert "0.1500 ± 0.6353" in lines[0]
    assert "85.00 ± 63.53 %" in lines[0]
    assert lines[1].startswith("now*")
    assert "note: now is in progress, step 12 of 100" in done.err


def test_json_is_one_document_without_nan(cli, tmp_path):
    write_run(tmp_path / "one", [row(1, loss=math.nan)], done=False)
    found = cli("compare", "one", "--json").json()
    group = found["groups"][0]
    assert (found["task"], found["differing"], group["seeds"]) == ("copy", [], 1)
    assert (group["runs"][0]["in_progress"], group["runs"][0]["unfinished"]) == (False, True)
    assert group["figures"]["train_loss"] == {"mean": None, "interval": None, "n": 1}
    assert group["figures"]["steps"]["mean"] == 1


def test_csv_has_a_row_for_each_group(cli, tmp_path):
    for seed in (1, 2):
        write_run(tmp_path / f"run{seed}", rows(2), seed=seed)
    found = list(csv.DictReader(io.StringIO(cli("compare", "run1", "run2", "--csv").out)))
    assert len(found) == 1
    assert (found[0]["runs"], found[0]["seeds"]) == ("run1 run2", "2")
    assert (found[0]["in_progress"], found[0]["unfinished"]) == ("false", "false")
    assert float(found[0]["test_loss"]) == pytest.approx(0.15)
    assert float(found[0]["test_loss_interval"]) == pytest.approx(0.6353, rel=1e-3)


def test_json_and_csv_exclude_each_other(cli):
    assert cli("compare", "x", "--json", "--csv").code == 2


@pytest.mark.parametrize("command", ["compare", "report"])
def test_what_is_no_run_is_refused(cli, tmp_path, command):
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.toml").write_text('model = "rnn"\nspeed = 3\n')
    for run, message in {"nowhere": "no run 'nowhere'", "folder": "is no run folder", "broken": "'speed'"}.items():
        done = cli(command, run)
        assert done.code == 3
        assert message in done.err
        assert run in done.err
