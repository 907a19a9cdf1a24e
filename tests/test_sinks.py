"""Where rows go besides metrics.jsonl: every sink has the rows of the run, a failing one harms nobody else."""

from __future__ import annotations

import csv
import errno
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SHORT, Cli, cli, data_dir
from disks import FailingDisk
from event_files import scalars, texts
from fakes import FakeData, config, parts, run_of
from watching import Killed, Recorder, killing, rows, signalled, timeless

from npr.errors import ConfigError, Interrupted, StorageError
from npr.training import FanOut, fit, resume, write_csv
from npr.training.csv_export import CsvSink
from npr.training.metrics import Row, read_rows
from npr.training.tensorboard import TensorBoardSink

__all__ = ["cli", "data_dir"]
BOTH = {"csv": True, "tensorboard": True}


class Collector:
    """Keeps what it is given; raises in the method called `broken`."""

    def __init__(self, broken: str = "", error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.rows: list[Row] = []
        self.before: list[Row] = []
        self.config: dict[str, Any] = {}
        self._broken, self._error = broken, error or OSError(errno.ENOSPC, "No space left on device")

    def start(self, start: Any, rows: Sequence[Row]) -> None:
        self.before, self.config = list(rows), start.config
        self._called("start")

    def write(self, row: Row) -> None:
        self.rows.append(row)
        self._called("write")

    def close(self) -> None:
        self._called("close")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._broken:
            raise self._error


def table(path: Path) -> list[dict[str, float]]:
    """Rows of a table without its empty cells."""
    with path.open(newline="") as file:
        return [{key: float(cell) for key, cell in row.items() if cell} for row in csv.DictReader(file)]


def latest(rows: list[Row]) -> list[Row]:
    """Rows as the last word on each step has them."""
    return list({row["step"]: row for row in rows}.values())


def stored(run: Path) -> list[Row]:
    return read_rows(run / "metrics.jsonl")


def figures(rows: list[Row]) -> list[Row]:
    """What event files hold of rows as scalars, without the times; the last one changes with the test split."""
    return [{key: value for key, value in timeless(row).items() if key != "step"} for row in rows]


def test_a_sink_has_the_configuration_and_every_row(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    watcher, sink = Recorder(), Collector()
    with FanOut(watcher, [sink]) as events:
        fit(chosen, events, tmp_path, made)
    assert sink.config == chosen.flat()
    assert latest(sink.rows) == stored(tmp_path)
    assert "test_loss" in sink.rows[-1]
    assert sink.calls == ["start", *["write"] * len(sink.rows), "close"]
    assert len(watcher.steps) == 20
    assert watcher.measured
    assert watcher.validated
    assert watcher.saved


def test_a_resumed_run_says_which_rows_it_has(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(7), tmp_path, made)
    earlier, sink = stored(tmp_path), Collector()
    with FanOut(Recorder(), [sink]) as events:
        resume(tmp_path, None, events, parts(chosen))
    assert sink.before == earlier
    assert sink.before + latest(sink.rows) == stored(tmp_path)


@pytest.mark.parametrize("broken", ["start", "write", "close"])
@pytest.mark.parametrize("error", [None, TypeError("no such figure"), KeyError("loss")])
def test_a_sink_that_fails_is_told_of_once_and_stops_nobody(
    tmp_path: Path, broken: str, error: Exception | None
) -> None:
    chosen, made = run_of("plain")
    watcher, bad, good = Recorder(), Collector(broken, error), Collector()
    with FanOut(watcher, [bad, good]) as events:
        result = fit(chosen, events, tmp_path, made)
    assert result.steps == 20
    assert latest(good.rows) == stored(tmp_path)
    wanted = {"start": ["start"], "write": ["start", "write"], "close": ["start", *["write"] * len(good.rows)]}
    assert bad.calls == [*wanted[broken], "close"]
    told = [text for text in watcher.messages if "Collector failed" in text]
    assert len(told) == 1
    assert ("No space left on device" if error is None else str(error)) in told[0]


def test_sinks_are_closed_when_the_run_is_not_finished(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    sink = Collector()
    with pytest.raises(Killed), FanOut(killing(5), [sink]) as events:
        fit(chosen, events, tmp_path, made)
    assert sink.calls[-1] == "close"


def test_nothing_is_written_by_default(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    fit(chosen, run=tmp_path, parts=made)
    assert not {"metrics.csv", "tensorboard"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("at", [1, 7, 13])
def test_tables_and_event_files_have_the_rows_of_a_killed_and_resumed_run(tmp_path: Path, at: int) -> None:
    chosen, made = run_of("plain", **BOTH)
    with pytest.raises(Killed):
        fit(chosen, killing(at), tmp_path / "run", made)
    resume(tmp_path / "run", parts=parts(chosen))
    wanted = stored(tmp_path / "run")
    assert table(tmp_path / "run" / "metrics.csv") == wanted
    shown = scalars(tmp_path / "run" / "tensorboard")
    assert list(shown) == [row["step"] for row in wanted]
    assert [timeless(row) for row in shown.values()] == [pytest.approx(row) for row in figures(wanted)]


def test_they_change_nothing_about_the_run(tmp_path: Path) -> None:
    for name, flags in {"with": BOTH, "without": {}}.items():
        chosen, made = run_of("plain", **flags)
        fit(chosen, run=tmp_path / name, parts=made)
    assert rows(tmp_path / "with") == rows(tmp_path / "without")


def test_event_files_tell_the_configuration(tmp_path: Path) -> None:
    chosen, made = run_of("plain", tensorboard=True)
    fit(chosen, run=tmp_path, parts=made)
    assert "    batch_size = 5\n" in texts(tmp_path / "tensorboard")["config/text_summary"]


def test_a_table_grows_the_columns_that_later_rows_need(tmp_path: Path) -> None:
    chosen, made = run_of("plain", csv=True)
    fit(chosen, run=tmp_path, parts=made)
    header, first, *_ = (tmp_path / "metrics.csv").read_text().splitlines()
    assert "validation_loss" not in stored(tmp_path)[0]
    assert header.startswith("step,epoch,loss,accuracy,grad_norm,lr,seconds,validation_loss")
    assert first.count(",") == header.count(",")


def test_the_table_of_a_run_can_be_written_anywhere(tmp_path: Path) -> None:
    chosen, made = run_of("plain", csv=True)
    fit(chosen, run=tmp_path / "run", parts=made)
    write_csv(tmp_path / "run", tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == (tmp_path / "run" / "metrics.csv").read_bytes()
    with pytest.raises(StorageError, match=r"absent/table\.csv"):
        write_csv(tmp_path / "run", tmp_path / "absent" / "table.csv")
    with pytest.raises(ConfigError, match="no run"):
        write_csv(tmp_path / "nowhere", tmp_path / "table.csv")


@pytest.mark.parametrize("kind", [CsvSink, TensorBoardSink])
@pytest.mark.parametrize(("operation", "after"), [("create", 0), ("write", 0), ("write", 2), ("close", 0)])
def test_a_full_disk_does_not_stop_the_training(tmp_path: Path, kind: type, operation: str, after: int) -> None:
    disk = FailingDisk(errno.ENOSPC, operation, after)
    disk.failing = True
    chosen, made = run_of("plain")
    watcher = Recorder()
    with FanOut(watcher, [kind(disk)]) as events:
        result = fit(chosen, events, tmp_path, made)
    assert result.steps == 20
    assert [kind.__name__ in text and "No space left" in text for text in watcher.messages] == [True]


def test_both_may_be_switched_on_in_a_stored_configuration(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(7), tmp_path, made)
    path = tmp_path / "config.toml"
    path.write_text(re.sub(r"^(csv|tensorboard) = false$", r"\1 = true", path.read_text(), flags=re.MULTILINE))
    earlier = len(stored(tmp_path))
    resume(tmp_path, parts=parts(chosen))
    assert table(tmp_path / "metrics.csv") == stored(tmp_path)
    assert list(scalars(tmp_path / "tensorboard")) == [row["step"] for row in stored(tmp_path)[earlier:]]


def test_a_run_stored_before_these_keys_existed_goes_on(tmp_path: Path) -> None:
    chosen, made = run_of("plain")
    with pytest.raises(Interrupted):
        fit(chosen, signalled(7), tmp_path, made)
    path = tmp_path / "config.toml"
    path.write_text(re.sub(r"^(csv|tensorboard) = false\n", "", path.read_text(), flags=re.MULTILINE))
    assert resume(tmp_path, parts=parts(chosen)).steps == 20


def test_a_missing_package_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = config(tensorboard=True)
    data = FakeData()
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r'pip install -e "\.\[tb\]"'):
        fit(chosen, run=tmp_path / "run", parts=parts(chosen, dataset=data))
    assert list(tmp_path.iterdir()) == []
    assert data.read == []


def test_the_package_is_imported_for_event_files_only() -> None:
    code = "import sys, npr.training; sys.exit('tensorboardX' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_train_and_resume_keep_both(cli: Cli, tmp_path: Path) -> None:
    assert cli("train", *SHORT, "--run-dir", "run", "--csv", "--tensorboard", "-q").code == 0
    assert cli("resume", "run", "--steps", "8", "-q").code == 0
    steps = [row["step"] for row in stored(tmp_path / "run")]
    assert steps[-1] == 8
    assert [row["step"] for row in table(tmp_path / "run" / "metrics.csv")] == steps
    assert list(scalars(tmp_path / "run" / "tensorboard")) == steps


def test_the_example_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parent.parent / "docs" / "logging.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code
    monkeypatch.chdir(tmp_path)
    exec(compile(code[1], "logging.md", "exec"), {})
    first, *told, last = capsys.readouterr().out.splitlines()
    assert first.startswith("irnn")
    assert [line.split()[0] for line in told] == ["2", "4", "4"]
    assert last == "closed"
