"""A page about many long runs stays small and answers soon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Browser, start_browser
from sample_runs import inspect_run, rows, write_run

from npr.report import write_report

__all__ = ["start_browser"]
MOST_BYTES = 8_000_000
# Two seconds are the aim. Counted is the time the page's thread computes: a busy machine only lets it wait longer.
MOST_SECONDS = 4.0


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten runs of 5,000 rows with 50 inspections of six layers over 784 time steps."""
    pytest.importorskip("plotly", reason='plotly is not installed: pip install -e ".[html]"')
    folder = tmp_path_factory.mktemp("large")
    found = rows(5000)
    runs = [write_run(folder / f"{i:04d}-run", found, seed=i) for i in range(1, 11)]
    for run in runs:
        inspect_run(run, range(100, 5001, 100), times=784, layers=6, units=128)
    write_report(runs, folder / "report.html")
    return folder / "report.html"


def test_ten_long_runs_fit_into_eight_megabytes(large):
    assert large.stat().st_size < MOST_BYTES


def test_ten_long_runs_are_there_in_seconds(large: Path, start_browser: Callable[[], Browser]) -> None:
    browser = start_browser()
    browser.size(1280, 900)
    browser.call("Performance.enable", timeDomain="threadTicks")
    browser.open(large)
    metrics = {each["name"]: each["value"] for each in browser.call("Performance.getMetrics")["metrics"]}
    spent = metrics["TaskDuration"]
    ready = int(browser.run("document.documentElement.dataset.ready")) / 1000
    print(f"\n{large.stat().st_size:,} bytes, {spent:.2f} s of computing, ready after {ready:.2f} s")
    browser.run("document.getElementById('spectrum-plot').scrollIntoView()")
    browser.until("document.getElementById('spectrum-plot').data?.length === 10")
    assert browser.complaints() == []
    assert spent < MOST_SECONDS
