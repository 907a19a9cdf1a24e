"""The errors of a gradient check as a heat map, parameter by case."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from npr.errors import ConfigError, StorageError
from npr.extras import require
from npr.gradcheck_report import TOLERANCE, Report
from npr.params import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")
# Exponents of ten: the rounding of float64, the tolerance, a gradient that has little to do with the derivative.
_LEAST, _MIDDLE, _MOST = -16.0, math.log10(TOLERANCE), 0.0


def ready(path: Path) -> None:
    """Say now whether `draw` could write to `path`: the check before it takes minutes.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, the name ends neither in .png nor in .svg, or there is no such folder.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"Cannot draw '{path}': its name must end in {' or '.join(FORMATS)}.")
    if not path.parent.is_dir():
        raise ConfigError(f"Cannot draw '{path}': there is no folder '{path.parent}'.")
    require("matplotlib.figure", "plot", "A chart")


def draw(report: Report, path: Path) -> None:
    """Draw the errors of a report: blue within the tolerance, red and outlined above it, grey where nothing is.

    Parameters
    ----------
    report : Report
        What `check` returned.
    path : Path
        A file that ends in .png or .svg; it is replaced.

    Raises
    ------
    ConfigError
        As `ready`.
    StorageError
        If the file cannot be written.
    """
    ready(path)
    from matplotlib import rc_context

    # Text that can be searched; without a date and with a fixed salt the same report gives the same file.
    with rc_context({"svg.hashsalt": "npr", "svg.fonttype": "none"}):
        figure = _figure(report)
        try:
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        except OSError as error:
            raise StorageError(f"Cannot write '{path}': {error.strerror}. Choose another place.") from error


def table(report: Report) -> tuple[list[str], list[str], Array]:
    """Names, cases, and the errors (names, cases), NaN where a case lacks a name."""
    names = [checked.name for checked in report.parameters]
    cases = [case.case for case in report.cases]
    errors = np.full((len(names), len(cases)), np.nan)
    for column, case in enumerate(report.cases):
        for checked in case.checked:
            errors[names.index(checked.name), column] = checked.rel_error
    return names, cases, errors


def _figure(report: Report) -> Figure:
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

    names, cases, errors = table(report)
    figure = Figure(figsize=(4 + 0.35 * len(cases), min(2.5 + 0.25 * len(names), 100)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor("0.85")
    exponents = np.log10(np.clip(errors, 10**_LEAST, 10**_MOST))
    image = axes.imshow(exponents, cmap="RdBu_r", norm=TwoSlopeNorm(_MIDDLE, _LEAST, _MOST), aspect="auto")
    _label(axes, names, cases)
    _outline(axes, errors)
    verdict = "passed" if report.passed else "FAILED"
    axes.set_title(f"{report.subject} {verdict}: largest relative error {report.max_rel_error:.1e}")
    _scale(figure, axes, image)
    return figure


def _label(axes: Axes, names: list[str], cases: list[str]) -> None:
    axes.set_xticks(range(len(cases)), cases, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)


def _outline(axes: Axes, errors: Array) -> None:
    """A frame around every error above the tolerance: colour alone does not reach every reader."""
    from matplotlib.patches import Rectangle

    for row, column in np.argwhere(errors > TOLERANCE):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.5))


def _scale(figure: Figure, axes: Axes, image: Any) -> None:
    bar = figure.colorbar(
        image, ax=axes, label="relative error", shrink=min(1.0, 30 / len(axes.get_yticks())), anchor=(0.0, 1.0)
    )
    ticks = [_LEAST, -12.0, -9.0, _MIDDLE, -3.0, _MOST]
    labels = [f"$10^{{{tick:.0f}}}$" + " tolerance" * (tick == _MIDDLE) for tick in ticks]
    bar.set_ticks(ticks, labels=labels)
    bar.ax.axhline(_MIDDLE, color="black", linewidth=1.5)
