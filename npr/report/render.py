"""One page from the records of runs: template, style, scripts, tables and numbers in a single text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

import tomli_w

from npr.compare.record import Record
from npr.extras import require
from npr.report import tables
from npr.report.document import Document, document
from npr.report.encoding import GAP, LEVELS, MINUS_INFINITY
from npr.report.reproduction import reproduction

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("decode", "theme", "curves", "gradients", "spectra", "page")
_COLOURS = 10


class Page(NamedTuple):
    """The HTML of a page, and what it tells its reader is missing, damaged or left out."""

    text: str
    messages: list[str]


def render(records: Sequence[Record]) -> Page:
    """The page about some runs.

    Raises
    ------
    ConfigError
        If plotly is not installed.
    """
    plotly = require("plotly.offline", "html", "A report").get_plotlyjs()
    found = document(records)
    text = Template(_text("page.html")).substitute(
        title=escape(f"npr report: {', '.join(dict.fromkeys(record.task for record in records))}"),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        style=_text("page.css"),
        runs="".join(_switch(place, record) for place, record in enumerate(records)),
        messages=_messages(found),
        figures=tables.figures(records),
        configuration=tables.configuration(records),
        about="Differences" if len(records) > 1 else "Configuration",
        provenance=tables.provenance(records),
        reproduce="".join(_reproduce(place, record) for place, record in enumerate(records)),
        numbers=_json(found),
        plotly=plotly,
        scripts="\n".join(_text(f"{name}.js") for name in _SCRIPTS),
    )
    return Page(text, found.messages)


def _text(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _json(found: Document) -> str:
    """Numbers of the plots; no text in it can end the element that holds it."""
    codes = {"levels": LEVELS, "minusInfinity": MINUS_INFINITY, "gap": GAP}
    text = json.dumps({"runs": found.runs, "codes": codes}, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _switch(place: int, record: Record) -> str:
    """A labelled checkbox that hides and shows a run."""
    return (
        f'<li><label><input type="checkbox" checked data-toggle="{place}">'
        f'<span class="swatch colour-{place % _COLOURS}"></span>'
        f"<span><b>{escape(record.name)}</b><br><small>{escape(_about(record))}</small></span></label></li>\n"
    )


def _about(record: Record) -> str:
    return f"{record.config['model']} on {record.task}, seed {record.config['seed']}; {record.status()}"


def _messages(found: Document) -> str:
    if not found.messages:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in found.messages)
    return f'<section id="messages"><h2>Notes</h2><ul>{lines}</ul></section>'


def _reproduce(place: int, record: Record) -> str:
    found = reproduction(record)
    command = f"<pre><code>{escape(found.command)}</code></pre>" if found.command else ""
    notes = "".join(f"<p>{escape(line)}</p>" for line in found.notes)
    stored = escape(tomli_w.dumps({key: value for key, value in record.config.items() if key != "run_dir"}))
    return (
        f'<div data-run="{place}"><h3>{escape(record.name)}</h3>{command}{notes}'
        f"<details><summary>config.toml</summary><p>Saved under this name: <code>npr train --config config.toml</code>"
        f"</p><pre><code>{stored}</code></pre></details></div>\n"
    )
