"""The page of `npr report` in a real browser: what a person sees, moves, hovers over, hides and prints."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import Browser, start_browser
from sample_runs import inspect_run, rows, write_run

from npr.report import write_report

__all__ = ["start_browser"]
# A title that would run as a script if it were not escaped.
HOSTILE = "<img src=x onerror=alert(1)>"
TALL = 6000
HEAT_WIDTH = "document.querySelector('#gradient-plots .plot').layout.width"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, start_browser: Callable[[], Browser]) -> Path:
    """A page about two runs with inspections and one without, which has stopped."""
    folder = tmp_path_factory.mktemp("report")
    first = inspect_run(write_run(folder / "0001-a", rows(100)), [20, 60, 100], times=9, layers=2)
    second = inspect_run(write_run(folder / "0002-b", rows(60), seed=2), [40], times=9)
    third = write_run(folder / f"0003-{HOSTILE}", rows(25), done=False, seed=3)
    write_report([first, second, third], folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def loaded(report: Path, start_browser: Callable[[], Browser]) -> Browser:
    """The page in a window as wide as a desktop's and so high that everything is drawn."""
    browser = start_browser()
    browser.size(1280, TALL)
    browser.open(report)
    return browser


@pytest.fixture
def page(loaded: Browser) -> Browser:
    """The loaded page with all controls as they are at first."""
    loaded.run(
        "toggles.forEach((box) => { box.checked = true; }); slider.value = slider.max;"
        "document.getElementById('log').checked = false; document.getElementById('layer').value = '';"
        "document.documentElement.dataset.theme = 'auto'; showRuns()"
    )
    return loaded


def slide(page: Browser, place: int) -> None:
    """Move the slider as an input event would."""
    page.run(f"slider.value = {place}; slider.dispatchEvent(new Event('input'))")
    page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def heat(page: Browser, run: int) -> list[list[float]]:
    return page.run(f"document.querySelector('#gradient-plots [data-key=\"{run}\"] .plot').data[0].z")


def middle(page: Browser, selector: str) -> tuple[float, float]:
    """Centre of an element, brought into view; nothing may lie on top of it."""
    found = page.run(
        f"(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{block: 'center'}});"
        "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    return found[0], found[1]


def test_it_loads_without_complaints_and_without_a_network(page, report):
    assert page.complaints() == []
    assert page.requests() == [report.resolve().as_uri()]
    assert page.run("document.querySelectorAll('#curve-plots .plot').length") == 3


def test_names_of_runs_are_text_and_nothing_else(page):
    assert page.run("document.querySelectorAll('img').length") == 0
    assert HOSTILE in page.run("document.getElementById('runs').innerText")


def test_a_stopped_run_says_how_far_it_is(page):
    assert "stopped at step 25 of 100" in page.run("document.getElementById('runs').innerText")


def test_the_slider_moves_the_heat_map(page):
    assert page.run("document.getElementById('step-shown').textContent") == "100"
    last = heat(page, 0)
    assert (len(last), len(last[0])) == (2, 9)
    slide(page, 0)
    assert page.run("document.getElementById('step-shown').textContent") == "20"
    first = heat(page, 0)
    assert last[0][3] - first[0][3] == pytest.approx(2, abs=1e-3)
    assert first[0] == pytest.approx([t - 9 for t in range(9)], abs=1e-3)


def test_a_run_shows_its_newest_inspection_of_the_step(page):
    slide(page, 2)
    titles = page.run("[...document.querySelectorAll('#gradient-plots [data-key=title]')].map((e) => e.textContent)")
    assert titles == ["0001-a, step 60", "0002-b, step 40"]


def test_hovering_shows_time_step_and_value(page):
    x, y = middle(page, '#gradient-plots [data-key="1"] .nsewdrag')
    page.move(x, y)
    text = page.until("document.querySelector('#gradient-plots .hoverlayer .hovertext')?.textContent")
    assert "time step 4, layer 0" in text
    assert "10-5.00" in text.replace("\u200b", "")


def test_hovering_over_a_curve_shows_step_and_value(page):
    middle(page, "#curve-plots [data-key=loss]")
    x, y = page.run(
        "(() => { const e = document.querySelector('#curve-plots [data-key=loss]'), r = e.getBoundingClientRect();"
        "const { xaxis, yaxis } = e._fullLayout, place = e.data[0].x.indexOf(80);"
        "return [r.x + xaxis._offset + xaxis.l2p(80), r.y + yaxis._offset + yaxis.l2p(e.data[0].y[place])]; })()"
    )
    page.move(x, y)
    text = "document.querySelector('#curve-plots [data-key=loss] .hovertext')?.textContent ?? ''"
    page.until(f"({text}).includes('step 80')")
    text = page.run(text)
    assert "0001-a" in text
    assert f"{2.0 / (1 + 80 / 20):.4g}" in text


def test_runs_can_be_hidden_and_shown_everywhere(page):
    traces = "document.querySelector('#curve-plots [data-key=loss]').data.length"
    spectra = "document.querySelector('#spectrum-plot').data.length"
    before = page.run(traces), page.run(spectra)
    page.run("toggles[0].click()")
    assert (page.run(traces), page.run(spectra)) == (before[0] - 2, before[1] - 1)
    assert page.run("document.querySelector('#gradient-plots [data-key=\"0\"]').hidden")
    assert "0001-a" not in page.run("document.querySelector('#figures').innerText")
    assert "0001-a" not in page.run("document.querySelector('#reproduce').innerText")
    page.run("toggles[0].click()")
    assert (page.run(traces), page.run(spectra)) == before
    assert "0001-a" in page.run("document.querySelector('#figures').innerText")


def test_hiding_all_runs_leaves_empty_plots(page):
    page.run("toggles.forEach((box) => box.click())")
    assert page.run("document.querySelector('#curve-plots [data-key=loss]').data.length") == 0
    assert page.complaints() == []


def test_losses_can_be_logarithmic(page):
    page.run("document.getElementById('log').click()")
    kinds = "['loss', 'accuracy'].map((m) => document.querySelector(`#curve-plots [data-key=${m}]`).layout.yaxis.type)"
    assert page.run(kinds) == ["log", "linear"]


def test_a_layer_can_be_chosen(page):
    page.run(
        "(() => { const s = document.getElementById('layer'); s.value = '1'; s.dispatchEvent(new Event('change')); })()"
    )
    assert page.run("document.querySelector('#spectrum-plot').data.length") == 1


def test_the_keyboard_reaches_runs_and_slider_and_focus_is_seen(page):
    page.run("document.activeElement.blur(); scrollTo(0, 0)")
    page.press("Tab")
    assert page.run("document.activeElement.id") == "theme"
    page.press("Tab")
    page.press(" ")
    assert page.run("toggles[0].checked") is False
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.run("slider.focus()")
    page.press("ArrowLeft")
    page.until("document.getElementById('step-shown').textContent === '60'")


def test_every_control_has_a_label(page):
    unnamed = "[...document.querySelectorAll('input, select')].filter((e) => !e.labels.length).map((e) => e.outerHTML)"
    assert page.run(unnamed) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_of_the_system_and_the_switch_decide_the_colours(page, scheme):
    other = "dark" if scheme == "light" else "light"
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "document.querySelector('#spectrum-plot').layout.font.color"
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": other}])
    page.run("drawAll()")
    before = page.run(paper), page.run(ink)
    page.run(
        f"(() => {{ const s = document.getElementById('theme'); s.value = '{scheme}';"
        "s.dispatchEvent(new Event('change')); })()"
    )
    after = page.run(paper), page.run(ink)
    page.call("Emulation.setEmulatedMedia", features=[])
    assert (sum(json.loads(f"[{after[0][4:-1]}]")) > 600) == (scheme == "light")
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_on_a_phone_nothing_is_wider_than_the_screen(page):
    page.size(390, TALL, mobile=True)
    page.until(f"{HEAT_WIDTH} < 390")
    width = page.run("document.documentElement.scrollWidth")
    page.size(1280, TALL)
    page.until(f"{HEAT_WIDTH} > 390")
    assert width == 390


def test_it_prints_in_light_colours_on_the_width_of_paper(page):
    page.run("document.documentElement.dataset.theme = 'dark'; drawAll()")
    note = "document.body.dataset.printed = document.documentElement.dataset.theme"
    page.run(f"addEventListener('beforeprint', () => {{ {note}; }})")
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type/Page\n") >= 2
    assert page.run("document.body.dataset.printed") == "light"
    assert page.run("document.documentElement.dataset.theme") == "dark"
    assert page.run(HEAT_WIDTH) != 680
